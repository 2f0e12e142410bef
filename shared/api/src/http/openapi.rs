//! The OpenAPI document, made from the endpoints and from the types that they take and give.

use std::collections::{BTreeMap, BTreeSet};

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::endpoint::{Audit, Endpoint, Method};
use crate::problem::ProblemBody;

const PREFIX: &str = "#/components/schemas/";

/// The document.
pub(crate) fn document(endpoints: &[Endpoint]) -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.given::<ProblemBody>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints {
        let operation = operation(endpoint, &mut schemas, &problem);
        let method = endpoint.rule.method.name().to_ascii_lowercase();
        paths
            .entry(endpoint.rule.path)
            .or_default()
            .insert(method, operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mailkeep",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Backup of Exchange mailboxes into a vault: jobs, runs, restore points, \
                items and messages. Times are RFC 3339 in UTC, sizes are bytes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (`mailkeep serve`) or a JWT (on AWS). \
                        On AWS, requests may be signed for IAM instead.",
                },
            },
        },
    })
}

/// Schemas of what is taken and of what is given: a field with a default may be left out of the one,
/// and is always in the other.
struct Schemas {
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            taken: settings().for_deserialize().into_generator(),
            given: settings().for_serialize().into_generator(),
        }
    }

    fn given<T: schemars::JsonSchema>(&mut self) -> Value {
        self.given.subschema_for::<T>().into()
    }

    /// All schemas by name. Those of what is taken have names of their own: see [`taken`].
    fn finish(mut self) -> Map<String, Value> {
        let mut all = self.given.take_definitions(true);
        for (name, mut schema) in self.taken.take_definitions(true) {
            rename(&mut schema);
            all.insert(taken_name(&name), schema);
        }
        all
    }
}

fn taken_name(name: &str) -> String {
    format!("{name}Input")
}

/// Makes every reference one to what is taken.
fn rename(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                match inner {
                    Value::String(text) if key == "$ref" => {
                        if let Some(name) = text.strip_prefix(PREFIX) {
                            *text = format!("{PREFIX}{}", taken_name(name));
                        }
                    }
                    _ => rename(inner),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(rename),
        _ => {}
    }
}

fn operation(endpoint: &Endpoint, schemas: &mut Schemas, problem: &Value) -> Value {
    let (rule, doc) = (&endpoint.rule, &endpoint.doc);
    let mut parameters = path_parameters(rule.path);
    if let Some(query) = doc.query {
        let mut schema: Value = query(&mut schemas.taken).into();
        rename(&mut schema);
        parameters.extend(query_parameters(&schema));
    }
    if rule.takes_key {
        let text =
            "A repeated request with the same key is carried out once and answered the same.";
        parameters.push(
            json!({"name": "Idempotency-Key", "in": "header", "required": false,
            "description": text, "schema": {"type": "string", "minLength": 1, "maxLength": 255,
            "pattern": "^[!-~]+$"}}),
        );
    }
    if doc.wants_match || doc.takes_match {
        let text = "The ETag of what is changed, or * for whatever there is.";
        parameters.push(
            json!({"name": "If-Match", "in": "header", "required": doc.wants_match,
            "description": text, "schema": {"type": "string", "minLength": 1}}),
        );
    }
    let mut responses = Map::new();
    for answer in &doc.answers {
        let mut response = json!({"description": "Done", "headers": headers(doc.has_etag)});
        if let Some(schema) = answer.schema {
            let schema: Value = schema(&mut schemas.given).into();
            set(
                &mut response,
                "content",
                json!({answer.content_type: {"schema": schema}}),
            );
        } else if !answer.content_type.is_empty() {
            set(&mut response, "content", json!({answer.content_type: {}}));
        }
        responses.insert(answer.status.as_u16().to_string(), response);
    }
    let refused = json!({
        "description": "A problem; its code says which",
        "headers": headers(false),
        "content": {"application/problem+json": {"schema": problem}},
    });
    for status in statuses(endpoint) {
        responses.insert(status.to_string(), refused.clone());
    }
    responses.insert("default".into(), refused);
    let role = rule.role.map_or("nobody in particular", |role| role.name());
    let audited = match rule.audit {
        Audit::No => "",
        Audit::View | Audit::Change => " Written to the audit log.",
    };
    let mut operation = json!({
        "operationId": rule.operation,
        "summary": doc.summary,
        "description": format!("Least role: {role}.{audited}"),
        "tags": [tag(rule.path)],
        "parameters": parameters,
        "responses": responses,
        "x-least-role": rule.role,
    });
    if rule.role.is_none() {
        set(&mut operation, "security", json!([]));
    }
    if let Some(body) = doc.body {
        let mut schema: Value = body(&mut schemas.taken).into();
        rename(&mut schema);
        let request = json!({
            "required": !doc.body_is_optional,
            "content": {"application/json": {"schema": schema}},
        });
        set(&mut operation, "requestBody", request);
    }
    operation
}

/// Sets a field of an object.
fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}

fn headers(has_etag: bool) -> Value {
    let text =
        |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let mut headers =
        json!({"X-Request-Id": text("The request, for those who look for it in logs.")});
    if has_etag {
        set(&mut headers, "ETag", text("The version, for If-Match."));
    }
    headers
}

/// Statuses of problems.
fn statuses(endpoint: &Endpoint) -> BTreeSet<u16> {
    let (rule, doc) = (&endpoint.rule, &endpoint.doc);
    let mut statuses: BTreeSet<u16> = doc.problems.iter().map(|it| it.as_u16()).collect();
    statuses.extend([400, 500, 503]);
    if rule.role.is_some() {
        statuses.extend([401, 403]);
    }
    if rule.path.contains('{') {
        statuses.insert(404);
    }
    if doc.body.is_some() {
        statuses.extend([408, 413, 415, 422]);
    }
    if rule.takes_key {
        statuses.insert(422);
    }
    if matches!(rule.method, Method::Put | Method::Delete) {
        statuses.insert(409);
    }
    statuses
}

/// `/v1/jobs/{job}` → `jobs`.
fn tag(path: &str) -> &str {
    path.split('/').nth(2).unwrap_or_default()
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({"name": name, "in": "path", "required": true, "schema": path_schema(name)}))
    });
    names.collect()
}

fn path_schema(name: &str) -> Value {
    match name {
        "run" | "version" | "part" => json!({"type": "integer", "minimum": 1}),
        _ => json!({"type": "string", "minLength": 1, "maxLength": 200}),
    }
}

/// One parameter for each field of the type that a query is read into.
fn query_parameters(schema: &Value) -> Vec<Value> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|list| list.iter().any(|it| it.as_str() == Some(name)));
    let properties = schema.get("properties").and_then(Value::as_object);
    let parameters = properties.into_iter().flatten().map(|(name, schema)| {
        let mut schema = schema.clone();
        without_null(&mut schema);
        json!({"name": name, "in": "query", "required": is_required(name), "schema": schema})
    });
    parameters.collect()
}

/// A parameter that is not wanted is left out; there is no null in an address.
fn without_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
}
