//! A plain client for the tests of this crate.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

use exchange_sim::SimTenant;
use reqwest::header::HeaderMap;
use serde_json::Value;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) page_size: usize,
}

impl Client {
    pub(crate) async fn login(sim: &SimTenant) -> Self {
        let http = reqwest::Client::new();
        let answer: Value = http
            .post(format!(
                "{}/{}/oauth2/v2.0/token",
                sim.base_url(),
                sim.tenant_id
            ))
            .form(&[
                ("client_id", sim.client_id.as_str()),
                ("client_secret", sim.client_secret.as_str()),
                ("grant_type", "client_credentials"),
                ("scope", "https://graph.microsoft.com/.default"),
            ])
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        Self {
            http,
            base: sim.base_url().to_owned(),
            token: answer["access_token"].as_str().unwrap().to_owned(),
            page_size: 50,
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/v1.0{path}", self.base)
        };
        self.http
            .request(method.parse().unwrap(), url)
            .bearer_auth(&self.token)
            .header("Prefer", "IdType=\"ImmutableId\"")
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        Answer {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(
            self.request("GET", path)
                .header("Prefer", format!("odata.maxpagesize={}", self.page_size)),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("POST", path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("PATCH", path).json(&body)).await
    }

    pub(crate) async fn raw(&self, path: &str) -> Vec<u8> {
        let response = self.request("GET", path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        response.bytes().await.unwrap().to_vec()
    }

    /// Follows links to the end of the round; values and the deltaLink.
    pub(crate) async fn round(&self, start: &str) -> (Vec<Value>, String) {
        let mut link = start.to_owned();
        let mut all = Vec::new();
        loop {
            let page = self.get(&link).await;
            assert_eq!(page.status, 200, "{link}: {}", page.text);
            all.extend(page.body["value"].as_array().unwrap().iter().cloned());
            if let Some(next) = page.body["@odata.nextLink"].as_str() {
                link = next.to_owned();
                continue;
            }
            return (
                all,
                page.body["@odata.deltaLink"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }

    pub(crate) async fn folder_delta(&self, user: &str) -> Vec<Value> {
        self.round(&format!("/users/{user}/mailFolders/delta"))
            .await
            .0
    }

    pub(crate) async fn first_round(
        &self,
        user: &str,
        folder: &str,
        select: &str,
    ) -> (Vec<Value>, String) {
        self.round(&format!(
            "/users/{user}/mailFolders/{folder}/messages/delta?$select={select}"
        ))
        .await
    }
}
