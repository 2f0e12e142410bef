//! What the token endpoint's error numbers mean.

use mailkeep_model::FailureClass;

use crate::SourceError;

use FailureClass as C;

/// Error number, class, words.
const MEANINGS: &[(&str, FailureClass, &str)] = &[
    (
        "AADSTS90002",
        C::Configuration,
        "the tenant does not exist; check the tenant id",
    ),
    (
        "AADSTS900023",
        C::Configuration,
        "the tenant id is malformed",
    ),
    (
        "AADSTS700016",
        C::Configuration,
        "the application is unknown in this tenant; check the client id and give admin consent",
    ),
    (
        "AADSTS7000215",
        C::AuthCredential,
        "the client secret is wrong",
    ),
    (
        "AADSTS7000222",
        C::AuthCredential,
        "the client secret has expired; make a new one in the app registration",
    ),
    (
        "AADSTS700027",
        C::AuthCredential,
        "the certificate was not accepted; upload it to the app registration",
    ),
    (
        "AADSTS700024",
        C::AuthCredential,
        "the signed statement is outside its validity; check this machine's clock",
    ),
    (
        "AADSTS700213",
        C::Configuration,
        "no federated credential matches",
    ),
    (
        "AADSTS70021",
        C::Configuration,
        "no federated credential matches",
    ),
    (
        "AADSTS7000112",
        C::AuthCredential,
        "the application is disabled in this tenant",
    ),
    ("AADSTS65001", C::AuthConsent, "admin consent is missing"),
    (
        "AADSTS53003",
        C::AuthConsent,
        "blocked by a Conditional Access policy",
    ),
    (
        "AADSTS50196",
        C::Transient,
        "the token endpoint is throttling",
    ),
    (
        "AADSTS90033",
        C::Transient,
        "the token endpoint is failing for a moment",
    ),
];

/// The error that a refused token request stands for. `description` is the service's own text;
/// only the number in it is kept.
pub(crate) fn entra_error(error: &str, description: &str) -> SourceError {
    let number = description
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.starts_with("AADSTS"));
    let known = number.and_then(|number| MEANINGS.iter().find(|(code, ..)| *code == number));
    let (class, words) = known.map_or_else(
        || match error {
            "invalid_client" | "unauthorized_client" => (
                C::AuthCredential,
                "the application's credential was refused",
            ),
            "temporarily_unavailable" => (C::Transient, "the token endpoint is failing"),
            "invalid_scope" => (
                C::Configuration,
                "the Graph host does not fit the login host",
            ),
            _ => (C::AuthCredential, "the token request was refused"),
        },
        |(_, class, words)| (*class, *words),
    );
    let code: String = number.unwrap_or(error).chars().take(64).collect();
    SourceError::new(class, "get access token", code, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_decide() {
        for (text, class) in [
            ("AADSTS7000215: Invalid client secret", C::AuthCredential),
            ("AADSTS7000222: expired", C::AuthCredential),
            ("AADSTS90002: Tenant 'x' not found", C::Configuration),
            ("AADSTS65001: consent", C::AuthConsent),
            ("AADSTS50196: loop", C::Transient),
            ("AADSTS99999999: new", C::AuthCredential),
        ] {
            let error = entra_error("invalid_client", text);
            assert_eq!(error.class, class, "{text}");
            assert!(text.starts_with(&error.code));
        }
    }

    #[test]
    fn the_services_text_is_not_repeated() {
        let error = entra_error(
            "invalid_client",
            "AADSTS7000215: secret s3cr3t of a@b.example",
        );
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }
}
