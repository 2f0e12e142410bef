//! The token endpoint and the tokens it hands out.

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use bytes::Bytes;
use serde_json::{Value, json};

use super::failure::Failure;
use super::json::field;
use super::reply::Reply;
use crate::certificate::public_key_of;
use crate::content::draw::guid;
use crate::numbers::locked;
use crate::tenant::Tenant;

/// How long a token lasts.
const TOKEN_SECONDS: i64 = 3_599;

/// The registered application.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) secret_expired: bool,
    /// Certificates in DER form.
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) roles: Vec<String>,
    /// Tokens of earlier generations are revoked.
    pub(crate) generation: u64,
    pub(crate) token_seconds: i64,
    pub(crate) tokens_issued: u64,
}

impl Registration {
    /// An application with the roles that backup and restore need.
    pub(crate) fn new(client_id: String, client_secret: String) -> Self {
        Self {
            client_id,
            client_secret,
            secret_expired: false,
            certificates: Vec::new(),
            roles: [
                "User.Read.All",
                "GroupMember.Read.All",
                "Mail.Read",
                "Mail.ReadWrite",
                "MailboxSettings.Read",
                "Contacts.Read",
                "Contacts.ReadWrite",
                "Calendars.Read",
                "Calendars.ReadWrite",
                "Tasks.Read.All",
                "Tasks.ReadWrite.All",
            ]
            .map(str::to_owned)
            .to_vec(),
            generation: 0,
            token_seconds: TOKEN_SECONDS,
            tokens_issued: 0,
        }
    }
}

struct Refused {
    status: u16,
    error: &'static str,
    number: u32,
    message: String,
}

fn refused(error: &'static str, number: u32, message: impl Into<String>) -> Refused {
    Refused {
        status: if error == "invalid_client" { 401 } else { 400 },
        error,
        number,
        message: message.into(),
    }
}

/// `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) fn token(tenant: &Tenant, directory: &str, media_type: &str, body: &Bytes) -> Reply {
    match issue(tenant, directory, media_type, body) {
        Ok(value) => Reply::json(value).header("Cache-Control", "no-store, no-cache"),
        Err(refused) => Reply::with_status(
            refused.status,
            json!({
                "error": refused.error,
                "error_description": format!("AADSTS{}: {}", refused.number, refused.message),
                "error_codes": [refused.number],
                "timestamp": tenant.clock.now().format("%Y-%m-%d %H:%M:%SZ").to_string(),
                "trace_id": guid(&[tenant.next_request(), 1]),
                "correlation_id": guid(&[tenant.next_request(), 2]),
            }),
        ),
    }
}

fn issue(
    tenant: &Tenant,
    directory: &str,
    media_type: &str,
    body: &Bytes,
) -> Result<Value, Refused> {
    if !media_type.starts_with("application/x-www-form-urlencoded") {
        return Err(refused(
            "invalid_request",
            900_144,
            "The request body must be form-encoded.",
        ));
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    };
    if let Some(number) = locked(&tenant.faults).refused_login {
        return Err(refused("invalid_grant", number, "The login was refused."));
    }
    if directory != tenant.tenant_id {
        return Err(refused(
            "invalid_request",
            90_002,
            format!("Tenant '{directory}' not found."),
        ));
    }
    if field("grant_type") != "client_credentials" {
        return Err(refused(
            "unsupported_grant_type",
            70_003,
            "The app requested an unsupported grant type.",
        ));
    }
    let own_scope = format!("{}/.default", tenant.base_url());
    if ![own_scope.as_str(), "https://graph.microsoft.com/.default"].contains(&field("scope")) {
        return Err(refused(
            "invalid_scope",
            70_011,
            "The provided value for the input parameter 'scope' is not valid.",
        ));
    }
    let mut registration = locked(&tenant.registration);
    if field("client_id") != registration.client_id {
        return Err(refused(
            "unauthorized_client",
            700_016,
            "Application was not found in the directory.",
        ));
    }
    let assertion = field("client_assertion");
    if assertion.is_empty() {
        if registration.secret_expired {
            return Err(refused(
                "invalid_client",
                7_000_222,
                "The provided client secret keys are expired.",
            ));
        }
        if field("client_secret") != registration.client_secret {
            return Err(refused(
                "invalid_client",
                7_000_215,
                "Invalid client secret provided.",
            ));
        }
    } else {
        if field("client_assertion_type")
            != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        {
            return Err(refused(
                "invalid_request",
                50_027,
                "Invalid client_assertion_type.",
            ));
        }
        check_assertion(tenant, &registration, directory, assertion)?;
    }
    registration.tokens_issued += 1;
    let now = tenant.clock.unix_seconds();
    let claims = json!({
        "aud": "https://graph.microsoft.com",
        "iss": format!("https://sts.windows.net/{directory}/"),
        "iat": now,
        "nbf": now,
        "exp": now + registration.token_seconds,
        "appid": registration.client_id,
        "tid": directory,
        "roles": registration.roles,
        "ver": "1.0",
        "gen": registration.generation,
        "uti": registration.tokens_issued,
    });
    Ok(json!({
        "token_type": "Bearer",
        "expires_in": registration.token_seconds,
        "ext_expires_in": registration.token_seconds,
        "access_token": sign(&tenant.key, &claims),
    }))
}

fn coded(text: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(text)
}

fn sign(key: &[u8; 32], claims: &Value) -> String {
    let head = json!({"typ": "JWT", "alg": "RS256", "kid": "simulated"});
    let text = format!(
        "{}.{}",
        coded(head.to_string().as_bytes()),
        coded(claims.to_string().as_bytes())
    );
    let mac = blake3::keyed_hash(key, text.as_bytes());
    format!("{text}.{}", coded(mac.as_bytes()))
}

fn decoded_json(text: &str) -> Option<Value> {
    let bytes = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(text.as_bytes())
        .ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The roles of a valid token.
pub(crate) fn check_token(tenant: &Tenant, header: Option<&str>) -> Result<Vec<String>, Failure> {
    let invalid = |message: &str| {
        Failure::new(401, "InvalidAuthenticationToken", message).header(
            "WWW-Authenticate",
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\"",
        )
    };
    let token = header
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| invalid("Access token is empty."))?;
    let (text, _) = token
        .rsplit_once('.')
        .ok_or_else(|| invalid("CompactToken parsing failed with error code: 80049217"))?;
    let claims = text
        .split_once('.')
        .and_then(|(_, claims)| decoded_json(claims))
        .ok_or_else(|| invalid("IDX14100: JWT is not well formed."))?;
    if sign(&tenant.key, &claims) != token {
        return Err(invalid(
            "Access token validation failure. Invalid signature.",
        ));
    }
    if field(&claims, "exp").as_i64().unwrap_or(0) <= tenant.clock.unix_seconds() {
        return Err(invalid("Lifetime validation failed, the token is expired."));
    }
    if field(&claims, "gen").as_u64() != Some(locked(&tenant.registration).generation) {
        return Err(invalid("The token was revoked."));
    }
    Ok(field(&claims, "roles")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|role| role.as_str().map(str::to_owned))
        .collect())
}

fn check_assertion(
    tenant: &Tenant,
    registration: &Registration,
    directory: &str,
    assertion: &str,
) -> Result<(), Refused> {
    let malformed = || {
        refused(
            "invalid_request",
            50_027,
            "JWT token is invalid or malformed.",
        )
    };
    let unknown = || {
        refused(
            "invalid_client",
            700_027,
            "The certificate with identifier used to sign the client assertion is not registered on application, or the signature does not match.",
        )
    };
    let mut parts = assertion.split('.');
    let (Some(head), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed());
    };
    let head_value = decoded_json(head).ok_or_else(malformed)?;
    let claim_value = decoded_json(claims).ok_or_else(malformed)?;
    let signature = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(signature.as_bytes())
        .map_err(|_| malformed())?;
    if *field(&head_value, "alg") != "PS256" || *field(&head_value, "typ") != "JWT" {
        return Err(refused(
            "invalid_client",
            5_002_738,
            "Invalid JWT token. The header must have typ JWT and alg PS256.",
        ));
    }
    let thumbprint = field(&head_value, "x5t#S256").as_str().unwrap_or_default();
    let certificate = registration
        .certificates
        .iter()
        .find(|der| {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
            coded(digest.as_ref()) == thumbprint
        })
        .ok_or_else(unknown)?;
    let key = public_key_of(certificate).ok_or_else(unknown)?;
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key)
        .verify(format!("{head}.{claims}").as_bytes(), &signature)
        .map_err(|_| unknown())?;
    let endpoint = format!("{}/{directory}/oauth2/v2.0/token", tenant.base_url());
    if *field(&claim_value, "aud") != endpoint.as_str() {
        return Err(refused(
            "invalid_client",
            700_023,
            "Client assertion audience claim does not match the token endpoint.",
        ));
    }
    for name in ["iss", "sub"] {
        if *field(&claim_value, name) != registration.client_id.as_str() {
            return Err(refused(
                "invalid_client",
                700_021,
                format!("Client assertion claim '{name}' is not the application id."),
            ));
        }
    }
    if field(&claim_value, "jti")
        .as_str()
        .is_none_or(str::is_empty)
    {
        return Err(malformed());
    }
    let now = tenant.clock.unix_seconds();
    let at = |name: &str| field(&claim_value, name).as_i64();
    let starts = at("nbf").or_else(|| at("iat")).unwrap_or(now);
    let ends = at("exp").unwrap_or(0);
    if ends <= now || starts > now + 300 || ends > now + 24 * 3_600 {
        return Err(refused(
            "invalid_client",
            700_024,
            "Client assertion is not within its valid time range.",
        ));
    }
    Ok(())
}
