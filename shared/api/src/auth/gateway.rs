//! Identities that Amazon API Gateway has checked before a function gets the request: a JWT (of Entra
//! ID, for example) or a signature of IAM.
//!
//! The function puts the request context of the event into the request as [`GatewayContext`]. Nothing
//! that the sender can write ends up there.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use http::request::Parts;
use serde_json::Value;

use super::{AuthError, Authenticate, Principal, Role};

/// The `requestContext` of an event of an HTTP API, as an extension of the request.
#[derive(Clone, Debug)]
pub struct GatewayContext(pub Value);

/// Finds out who API Gateway says that it is.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    /// Roles by ARN of a role or user of IAM. `arn:aws:iam::…:role/Name` stands for every session of
    /// that role.
    pub iam_roles: BTreeMap<String, BTreeSet<Role>>,
}

#[async_trait]
impl Authenticate for Gateway {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
        let context = request.extensions.get::<GatewayContext>();
        let GatewayContext(context) = context.ok_or(AuthError::Missing)?;
        self.principal(context)
    }
}

impl Gateway {
    /// Who a request context is about.
    ///
    /// # Errors
    /// `Missing` when the gateway did not ask for an identity, `Invalid` when it cannot be told who
    /// that is.
    pub fn principal(&self, context: &Value) -> Result<Principal, AuthError> {
        let part = |path: &str| context.pointer(path).filter(|it| it.is_object());
        if let Some(claims) = part("/authorizer/jwt/claims") {
            return of_claims(claims);
        }
        let iam = part("/authorizer/iam").ok_or(AuthError::Missing)?;
        let arn = text(iam, "userArn").ok_or(AuthError::Invalid)?;
        let roles = [Some(arn.to_owned()), role_of_session(arn)]
            .into_iter()
            .flatten()
            .find_map(|arn| self.iam_roles.get(&arn).cloned());
        Ok(Principal {
            id: arn.to_owned(),
            name: arn.rsplit(['/', ':']).next().unwrap_or(arn).to_owned(),
            roles: roles.unwrap_or_default(),
        })
    }
}

/// The claims of a token. Issuer, audience, signature and times are checked by the gateway.
fn of_claims(claims: &Value) -> Result<Principal, AuthError> {
    // `oid` is the same for all applications, `sub` is all that others than Entra ID give.
    let id = match (text(claims, "oid"), text(claims, "sub")) {
        (Some(oid), _) => format!("entra:{oid}"),
        (None, Some(sub)) => format!("sub:{sub}"),
        (None, None) => return Err(AuthError::Invalid),
    };
    let name = ["name", "preferred_username", "azp", "appid"]
        .into_iter()
        .find_map(|claim| text(claims, claim));
    Ok(Principal {
        name: name.unwrap_or(&id).to_owned(),
        id,
        roles: roles_of(claims.get("roles")),
    })
}

/// The roles of a claim. API Gateway writes a list as `[one two]`. Names that are none of ours are of
/// others.
fn roles_of(claim: Option<&Value>) -> BTreeSet<Role> {
    let names: Vec<&str> = match claim {
        Some(Value::String(text)) => text
            .trim_start_matches('[')
            .trim_end_matches(']')
            .split([' ', ','])
            .collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    names
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .collect()
}

fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    let text = object.get(field).and_then(Value::as_str);
    text.filter(|text| !text.is_empty())
}

/// `arn:aws:sts::1:assumed-role/Name/session` → `arn:aws:iam::1:role/Name`.
fn role_of_session(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let name = resource.strip_prefix("assumed-role/")?.split('/').next()?;
    (scheme == "arn" && service == "sts")
        .then(|| format!("arn:{partition}:iam::{account}:role/{name}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn roles(gateway: &Gateway, context: &Value) -> Vec<Role> {
        let principal = gateway.principal(context).unwrap();
        principal.roles.into_iter().collect()
    }

    #[test]
    fn the_roles_claim_of_entra_gives_our_roles() {
        let gateway = Gateway::default();
        for claim in [
            json!("[Mailkeep.Operator viewer Other.Role]"),
            json!(["operator", "Viewer"]),
        ] {
            let context = json!({"authorizer": {"jwt": {"claims": {
                "oid": "11-22", "sub": "x", "name": "Ann", "roles": claim,
            }}}});
            assert_eq!(roles(&gateway, &context), [Role::Viewer, Role::Operator]);
            let principal = gateway.principal(&context).unwrap();
            assert_eq!((&*principal.id, &*principal.name), ("entra:11-22", "Ann"));
        }
        let one =
            json!({"authorizer": {"jwt": {"claims": {"sub": "s", "roles": "administrator"}}}});
        assert_eq!(roles(&gateway, &one), [Role::Administrator]);
        let none = json!({"authorizer": {"jwt": {"claims": {"sub": "s"}}}});
        assert!(roles(&gateway, &none).is_empty());
        let nobody = json!({"authorizer": {"jwt": {"claims": {"roles": "administrator"}}}});
        assert!(matches!(
            gateway.principal(&nobody),
            Err(AuthError::Invalid)
        ));
    }

    #[test]
    fn identities_of_iam_have_the_roles_that_the_settings_give_them() {
        let mut gateway = Gateway::default();
        let admins = "arn:aws:iam::123:role/Admins";
        gateway
            .iam_roles
            .insert(admins.into(), BTreeSet::from([Role::Administrator]));
        let context = |arn: &str| json!({"authorizer": {"iam": {"userArn": arn}}});
        let session = "arn:aws:sts::123:assumed-role/Admins/ann";
        assert_eq!(roles(&gateway, &context(session)), [Role::Administrator]);
        assert_eq!(roles(&gateway, &context(admins)), [Role::Administrator]);
        for other in [
            "arn:aws:sts::999:assumed-role/Admins/ann",
            "arn:aws:iam::123:user/Admins",
            "arn:aws:sts::123:assumed-role/Admins2/ann",
        ] {
            assert!(roles(&gateway, &context(other)).is_empty(), "{other}");
        }
        for nobody in [json!({}), json!({"authorizer": {"iam": null}})] {
            let refused = gateway.principal(&nobody);
            assert!(matches!(refused, Err(AuthError::Missing)), "{nobody}");
        }
    }
}
