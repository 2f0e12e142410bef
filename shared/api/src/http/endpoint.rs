//! One line per endpoint: what it is called, who may call it, what goes in and comes out. Router,
//! roles, audit and the OpenAPI document are all made from it, so that they cannot disagree.

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::auth::Role;
use crate::service::Api;

/// Makes the schema of a type.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// What the audit log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audit {
    /// Nothing: no mail, no change.
    No,
    /// That somebody looked at mail. Told before the answer is sent.
    View,
    /// That somebody changed something. Told before it is done, and what became of it.
    Change,
}

/// Who may call an endpoint, and what is written down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// The operation's name.
    pub(crate) operation: &'static str,
    /// The least role; `None` for everybody, also those who do not say who they are.
    pub(crate) role: Option<Role>,
    pub(crate) audit: Audit,
    /// A repeated request with the same key gets the same answer.
    pub(crate) takes_key: bool,
}

/// What comes out when all goes well.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) schema: Option<SchemaOf>,
    pub(crate) content_type: &'static str,
}

/// What the document says.
#[derive(Clone, Default)]
pub(crate) struct Doc {
    pub(crate) summary: &'static str,
    pub(crate) query: Option<SchemaOf>,
    pub(crate) body: Option<SchemaOf>,
    pub(crate) body_is_optional: bool,
    pub(crate) answers: Vec<Answer>,
    pub(crate) has_etag: bool,
    pub(crate) wants_match: bool,
    /// The request may say so.
    pub(crate) takes_match: bool,
    /// Statuses of problems beyond those that follow from the rest.
    pub(crate) problems: Vec<StatusCode>,
}

/// One endpoint.
pub(crate) struct Endpoint {
    pub(crate) rule: Rule,
    pub(crate) doc: Doc,
    pub(crate) handler: MethodRouter<Api>,
}

/// An endpoint that is being described.
pub(crate) struct Draft {
    rule: Rule,
    doc: Doc,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn inline_schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

impl Endpoint {
    /// Begins to describe an endpoint that one needs a role for.
    fn draft(method: Method, path: &'static str, operation: &'static str, role: Role) -> Draft {
        Draft {
            rule: Rule {
                method,
                path,
                operation,
                role: Some(role),
                audit: Audit::No,
                takes_key: false,
            },
            doc: Doc::default(),
        }
    }

    pub(crate) fn get(path: &'static str, operation: &'static str, role: Role) -> Draft {
        Self::draft(Method::Get, path, operation, role)
    }

    /// A change, which is audited and can be repeated safely with a key.
    pub(crate) fn post(path: &'static str, operation: &'static str, role: Role) -> Draft {
        let mut draft = Self::draft(Method::Post, path, operation, role);
        draft.rule.audit = Audit::Change;
        draft.rule.takes_key = true;
        draft.problem(StatusCode::CONFLICT)
    }

    pub(crate) fn put(path: &'static str, operation: &'static str, role: Role) -> Draft {
        Self::draft(Method::Put, path, operation, role).audited(Audit::Change)
    }

    pub(crate) fn delete(path: &'static str, operation: &'static str, role: Role) -> Draft {
        Self::draft(Method::Delete, path, operation, role).audited(Audit::Change)
    }
}

impl Draft {
    pub(crate) fn summary(mut self, summary: &'static str) -> Self {
        self.doc.summary = summary;
        self
    }

    /// Nobody needs to say who they are.
    pub(crate) fn public(mut self) -> Self {
        self.rule.role = None;
        self
    }

    pub(crate) fn audited(mut self, audit: Audit) -> Self {
        self.rule.audit = audit;
        self
    }

    /// A POST that changes nothing: what is looked for stays out of the address, and so out of the
    /// logs of proxies.
    pub(crate) fn reads_only(mut self, audit: Audit) -> Self {
        self.rule.audit = audit;
        self.rule.takes_key = false;
        self.doc.problems.clear();
        self
    }

    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.doc.query = Some(inline_schema_of::<T>);
        self
    }

    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        self.doc.body = Some(schema_of::<T>);
        self
    }

    pub(crate) fn optional_body<T: JsonSchema>(mut self) -> Self {
        self.doc.body_is_optional = true;
        self.body::<T>()
    }

    pub(crate) fn answers<T: JsonSchema>(mut self, status: StatusCode) -> Self {
        self.doc.answers.push(Answer {
            status,
            schema: Some(schema_of::<T>),
            content_type: "application/json",
        });
        self
    }

    pub(crate) fn answers_nothing(mut self) -> Self {
        self.doc.answers.push(Answer {
            status: StatusCode::NO_CONTENT,
            schema: None,
            content_type: "",
        });
        self
    }

    pub(crate) fn answers_bytes(mut self, content_type: &'static str) -> Self {
        self.doc.answers.push(Answer {
            status: StatusCode::OK,
            schema: None,
            content_type,
        });
        self
    }

    /// The answer has an `ETag`.
    pub(crate) fn etag(mut self) -> Self {
        self.doc.has_etag = true;
        self
    }

    /// The request must say in `If-Match` which version it changes.
    pub(crate) fn wants_match(mut self) -> Self {
        self.doc.wants_match = true;
        self.problem(StatusCode::PRECONDITION_FAILED)
            .problem(StatusCode::PRECONDITION_REQUIRED)
    }

    /// The request may say in `If-Match` which version it means.
    pub(crate) fn takes_match(mut self) -> Self {
        self.doc.takes_match = true;
        self.problem(StatusCode::PRECONDITION_FAILED)
    }

    pub(crate) fn problem(mut self, status: StatusCode) -> Self {
        self.doc.problems.push(status);
        self
    }

    /// With the function that does it.
    pub(crate) fn to<H, T>(self, handler: H) -> Endpoint
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        Endpoint {
            handler: on(self.rule.method.filter(), handler),
            rule: self.rule,
            doc: self.doc,
        }
    }
}
