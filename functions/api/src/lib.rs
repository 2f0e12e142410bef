//! The function that serves the HTTP API: an event of API Gateway becomes a request to the router of
//! `mailkeep-api`, the same that `mailkeep serve` has.
//!
//! Who sends a request was checked by API Gateway (a signature of IAM, or a JWT); what they may do is in
//! `ApiRoles` of the template, or in the token. After something was asked for, the planner is woken.

mod event;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use mailkeep_api::auth::Role;
use mailkeep_api::auth::gateway::Gateway;
use mailkeep_api::{Api, ApiParts, ApiSettings, Storage};
use mailkeep_function::{Context, Deadline, Function, FunctionError};
use mailkeep_ports::{Outgoing, Queue};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

/// Lambda answers with at most 6 MB, of which the text form of bytes takes a quarter and headers a little.
const MAX_CONTENT_BYTES: u64 = 4_000_000;
/// Lambda gives a process one request at a time.
const MAX_REQUESTS: usize = 4;
/// What the vault is called when nothing else is set.
const STORAGE: &str = "main";

/// The function.
pub struct ApiFunction {
    context: Context,
    authenticate: Arc<Gateway>,
    wake: Arc<dyn Queue>,
    router: OnceCell<Router>,
}

impl ApiFunction {
    /// The function as its environment says. The vault is opened for the first request.
    ///
    /// # Errors
    /// When a variable is wrong or missing.
    pub fn new(context: &Context) -> Result<Self, FunctionError> {
        Ok(Self {
            authenticate: Arc::new(gateway(context.environment().text("API_ROLES"))?),
            wake: context.wake_queue("PLAN_QUEUE_URL")?,
            context: context.clone(),
            router: OnceCell::new(),
        })
    }

    async fn open(&self) -> Result<Router, FunctionError> {
        let environment = self.context.environment();
        let place = environment
            .needed("VAULT")?
            .split('?')
            .next()
            .unwrap_or_default();
        let api = Api::new(ApiParts {
            engine: self.context.engine().await?,
            table: self.context.table()?,
            tasks: self.context.tasks()?,
            exports: self.context.exports()?,
            links: Some(self.context.export_links()?),
            storage: Storage {
                name: environment.text("STORAGE").unwrap_or(STORAGE).to_owned(),
                kind: "bucket".to_owned(),
                place: place.to_owned(),
            },
            authenticate: self.authenticate.clone(),
            settings: ApiSettings {
                max_content_bytes: Some(MAX_CONTENT_BYTES),
                max_requests: MAX_REQUESTS,
                ..ApiSettings::default()
            },
        });
        Ok(api.router())
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let router = match self.router.get_or_try_init(|| self.open()).await {
            Ok(router) => router.clone(),
            Err(error) => {
                tracing::error!(%error, "the vault cannot be opened");
                return unavailable();
            }
        };
        let is_command = !request.method().is_safe();
        let response = match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if is_command && response.status().is_success() {
            self.wake_planner().await;
        }
        response
    }

    /// Nothing is lost when the planner is not woken: it looks every minute.
    async fn wake_planner(&self) {
        let message = Outgoing::now(r#"{"wake":"api"}"#);
        if let Err(error) = self.wake.send(vec![message]).await {
            tracing::warn!(%error, "the planner was not woken; it looks within a minute");
        }
    }
}

#[async_trait]
impl Function for ApiFunction {
    async fn handle(&self, event: Value, _deadline: Deadline) -> Result<Value, FunctionError> {
        let response = self.answer(event::request(&event)?).await;
        event::answer(response).await
    }
}

/// Who may do what, with IAM.
fn gateway(roles: Option<&str>) -> Result<Gateway, FunctionError> {
    let iam_roles: BTreeMap<String, BTreeSet<Role>> = serde_json::from_str(roles.unwrap_or("{}"))
        .map_err(|error| {
        FunctionError::Setting(format!(
            "ApiRoles must look like {{\"arn:aws:iam::1:role/Name\": [\"viewer\"]}}: {error}"
        ))
    })?;
    Ok(Gateway { iam_roles })
}

fn unavailable() -> Response<Body> {
    let problem = json!({
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "code": "vault_unavailable",
        "detail": "The vault cannot be opened. A new stack has none until `mailkeep init` made it; otherwise \
                   the log of this function says why.",
    });
    let response = Response::builder()
        .status(StatusCode::SERVICE_UNAVAILABLE)
        .header(header::CONTENT_TYPE, "application/problem+json")
        .header(header::RETRY_AFTER, "60")
        .body(Body::from(problem.to_string()));
    response.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_come_from_the_settings() {
        let context = json!({"authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/ann"}}});
        let roles = r#"{"arn:aws:iam::1:user/ann": ["operator"]}"#;
        let principal = gateway(Some(roles)).unwrap().principal(&context).unwrap();
        assert!(principal.may(Role::Operator) && !principal.may(Role::Administrator));
        assert!(
            gateway(None)
                .unwrap()
                .principal(&context)
                .unwrap()
                .roles
                .is_empty()
        );
        // What a sender writes is no identity.
        let forged = json!({"headers": {"authorization": "x"}});
        assert!(gateway(None).unwrap().principal(&forged).is_err());
    }

    #[test]
    fn roles_that_cannot_be_read_are_refused() {
        for wrong in ["[]", "{\"arn\": \"viewer\"}", "{\"arn\": [\"root\"]}"] {
            assert!(gateway(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
