//! The token endpoint, with secret and with certificate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use exchange_sim::{SelfSigned, SimTenant};
use serde_json::{Value, json};

async fn ask(sim: &SimTenant, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut form = vec![
        ("client_id", sim.client_id.as_str()),
        ("grant_type", "client_credentials"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    form.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    form.extend_from_slice(fields);
    let answer = reqwest::Client::new()
        .post(format!(
            "{}/{}/oauth2/v2.0/token",
            sim.base_url(),
            sim.tenant_id
        ))
        .form(&form)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn secrets_are_checked() {
    let sim = SimTenant::builder()
        .items_per_mailbox(1)
        .start()
        .await
        .unwrap();
    let secret = sim.client_secret.clone();
    let good = [("client_secret", secret.as_str())];
    let (status, token) = ask(&sim, &good).await;
    assert_eq!(status, 200);
    assert_eq!(token["expires_in"], 3599);
    for (fields, code) in [
        (vec![("client_secret", "wrong")], 7_000_215),
        (vec![good[0], ("client_id", "other")], 700_016),
        (vec![good[0], ("scope", "User.Read")], 70_011),
        (vec![good[0], ("grant_type", "password")], 70_003),
    ] {
        let (status, answer) = ask(&sim, &fields).await;
        assert!(status == 400 || status == 401);
        assert_eq!(answer["error_codes"], json!([code]));
    }
    sim.admin().expire_secret(true);
    assert_eq!(ask(&sim, &good).await.1["error_codes"], json!([7_000_222]));
    sim.admin().expire_secret(false);
    sim.admin().refuse_logins(Some(53_003));
    assert_eq!(ask(&sim, &good).await.1["error_codes"], json!([53_003]));
}

fn coded(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn assertion(sim: &SimTenant, signed: &SelfSigned, change: impl Fn(&mut Value)) -> String {
    let now = sim.clock().unix_seconds();
    let head = json!({
        "typ": "JWT",
        "alg": "PS256",
        "x5t#S256": coded(digest(&SHA256, &signed.certificate).as_ref()),
    });
    let mut claims = json!({
        "aud": format!("{}/{}/oauth2/v2.0/token", sim.base_url(), sim.tenant_id),
        "iss": sim.client_id,
        "sub": sim.client_id,
        "jti": "1",
        "nbf": now,
        "exp": now + 300,
    });
    change(&mut claims);
    let text = format!(
        "{}.{}",
        coded(head.to_string().as_bytes()),
        coded(claims.to_string().as_bytes())
    );
    let pair = RsaKeyPair::from_pkcs8(&signed.private_key).unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PSS_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{text}.{}", coded(&signature))
}

#[tokio::test]
async fn certificates_are_checked() {
    let sim = SimTenant::builder()
        .items_per_mailbox(1)
        .start()
        .await
        .unwrap();
    let signed = SelfSigned::generate().unwrap();
    let kind = (
        "client_assertion_type",
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    );
    let good = assertion(&sim, &signed, |_| {});
    let unknown = ask(&sim, &[kind, ("client_assertion", &good)]).await;
    assert_eq!(unknown.1["error_codes"], json!([700_027]));
    sim.admin().register_certificate(&signed.certificate);
    assert_eq!(ask(&sim, &[kind, ("client_assertion", &good)]).await.0, 200);
    let now = sim.clock().unix_seconds();
    for (change, code) in [
        (json!({"aud": "https://elsewhere"}), 700_023),
        (json!({"exp": now - 1}), 700_024),
        (json!({"nbf": now + 3_600}), 700_024),
        (json!({"sub": "other"}), 700_021),
    ] {
        let wrong = assertion(&sim, &signed, |claims| {
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
        });
        let (_, answer) = ask(&sim, &[kind, ("client_assertion", &wrong)]).await;
        assert_eq!(answer["error_codes"], json!([code]), "{change}");
    }
    // Another key with the registered thumbprint is no use.
    let mut other = SelfSigned::generate().unwrap();
    other.certificate.clone_from(&signed.certificate);
    let forged = assertion(&sim, &other, |_| {});
    let (_, answer) = ask(&sim, &[kind, ("client_assertion", &forged)]).await;
    assert_eq!(answer["error_codes"], json!([700_027]));
}
