//! Proving who the application is: OAuth2 client credentials with a secret or a certificate.

mod assertion;
mod entra_error;
mod token;

pub(crate) use token::{BearerToken, TokenSource};
