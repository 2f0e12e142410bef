//! Events of an HTTP API of API Gateway (payload version 2.0) as requests, and responses as answers to them.

use axum::body::{Body, to_bytes};
use data_encoding::BASE64;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use mailkeep_api::Peer;
use mailkeep_api::auth::gateway::GatewayContext;
use mailkeep_function::FunctionError;
use serde_json::{Map, Value, json};

/// Lambda answers with at most 6 MB.
const MAX_ANSWER_BYTES: usize = 4_500_000;

fn wrong(what: &str) -> FunctionError {
    FunctionError::Event(format!("it is no request of an HTTP API: {what}"))
}

/// The request of an event, with what API Gateway says of its sender.
pub(crate) fn request(event: &Value) -> Result<Request<Body>, FunctionError> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    let method = text("/requestContext/http/method").ok_or_else(|| wrong("no method"))?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong("its method"))?;
    let path = text("/rawPath").ok_or_else(|| wrong("no path"))?;
    let uri = match text("/rawQueryString").filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let uri: Uri = uri.parse().map_err(|_| wrong("its path"))?;
    let body = text("/body").unwrap_or_default();
    let is_encoded = event.get("isBase64Encoded").and_then(Value::as_bool) == Some(true);
    let body = if is_encoded {
        let decoded = BASE64.decode(body.as_bytes());
        Body::from(decoded.map_err(|_| wrong("its body"))?)
    } else {
        Body::from(body.to_owned())
    };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = event.get("headers").and_then(Value::as_object);
    for (name, value) in headers.into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("a header"))?;
        let value = HeaderValue::from_str(value.as_str().unwrap_or_default());
        request
            .headers_mut()
            .append(name, value.map_err(|_| wrong("a header"))?);
    }
    if let Some(peer) = text("/requestContext/http/sourceIp") {
        request.extensions_mut().insert(Peer(peer.to_owned()));
    }
    if let Some(context) = event.get("requestContext") {
        request
            .extensions_mut()
            .insert(GatewayContext(context.clone()));
    }
    Ok(request)
}

/// A response as API Gateway wants it.
pub(crate) async fn answer(response: Response<Body>) -> Result<Value, FunctionError> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER_BYTES).await.map_err(|error| {
        FunctionError::Setting(format!(
            "the answer is larger than Lambda allows, or broke off: {error}"
        ))
    })?;
    let mut headers = Map::new();
    for name in parts
        .headers
        .keys()
        .filter(|name| **name != header::CONTENT_LENGTH)
    {
        let values = parts.headers.get_all(name).iter();
        let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        headers.insert(name.to_string(), json!(values.join(", ")));
    }
    let (body, is_encoded) = match std::str::from_utf8(&body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (BASE64.encode(&body), true),
    };
    Ok(json!({
        "statusCode": parts.status.as_u16(),
        "headers": headers,
        "body": body,
        "isBase64Encoded": is_encoded,
    }))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn event() -> Value {
        json!({
            "version": "2.0", "routeKey": "ANY /v1/{proxy+}", "rawPath": "/v1/jobs%2Fx", "rawQueryString": "limit=2",
            "headers": {"content-type": "application/json", "if-match": "\"3\""},
            "isBase64Encoded": true, "body": "e30=",
            "requestContext": {
                "http": {"method": "POST", "path": "/v1/jobs", "sourceIp": "192.0.2.7"},
                "authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/ann"}},
            },
        })
    }

    #[tokio::test]
    async fn an_event_becomes_a_request_with_its_sender() {
        let request = request(&event()).unwrap();
        assert_eq!(
            (request.uri().path(), request.uri().query()),
            ("/v1/jobs%2Fx", Some("limit=2"))
        );
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers()["if-match"], "\"3\"");
        assert_eq!(
            request.extensions().get(),
            Some(&Peer("192.0.2.7".to_owned()))
        );
        let GatewayContext(context) = request.extensions().get().unwrap();
        assert_eq!(
            context["authorizer"]["iam"]["userArn"],
            "arn:aws:iam::1:user/ann"
        );
        let body = to_bytes(request.into_body(), 9).await.unwrap();
        assert_eq!(&*body, b"{}");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for path in ["/rawPath", "/requestContext/http/method"] {
            let mut event = event();
            *event.pointer_mut(path).unwrap() = Value::Null;
            assert!(request(&event).is_err(), "{path}");
        }
        let mut event = event();
        event["body"] = json!("!");
        assert!(request(&event).is_err());
    }

    #[tokio::test]
    async fn a_response_becomes_an_answer_also_with_bytes_in_it() {
        let response = Response::builder()
            .status(StatusCode::CREATED)
            .header("etag", "\"1\"");
        let answered = answer(response.body(Body::from("{}")).unwrap())
            .await
            .unwrap();
        let whole = json!({
            "statusCode": 201, "headers": {"etag": "\"1\""}, "body": "{}", "isBase64Encoded": false,
        });
        assert_eq!(answered, whole);
        let bytes = Response::new(Body::from(vec![0xff, 0]));
        let answered = answer(bytes).await.unwrap();
        assert_eq!(
            (&answered["body"], &answered["isBase64Encoded"]),
            (&json!("/wA="), &json!(true))
        );
    }
}
