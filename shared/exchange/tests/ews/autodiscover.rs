//! Autodiscover and where it must not lead.

use std::sync::{Arc, Mutex};

use base64_simd::STANDARD;
use mailkeep_exchange::SourceError;
use mailkeep_exchange::ews::{Discovered, EwsAutodiscover, EwsLogin, discover};
use mailkeep_model::FailureClass;
use mailkeep_ports::{SeededRng, TestClock};
use secrecy::SecretString;

use super::server::{Request, Response, Server};

fn asked(server: &Server, file: &str, trusted: &[&str]) -> EwsAutodiscover {
    EwsAutodiscover {
        address: "ann@corp.example".into(),
        start: Some(format!("http://{}/autodiscover/{file}", server.address)),
        trusted_hosts: trusted.iter().map(|host| (*host).to_owned()).collect(),
        login: EwsLogin::Basic {
            user: "backup".into(),
            password: SecretString::from("hush"),
        },
        authority_pem: None,
    }
}

async fn ask(asked: &EwsAutodiscover) -> Result<Discovered, SourceError> {
    let clock = Arc::new(TestClock::default());
    discover(asked, clock, Arc::new(SeededRng::new(1))).await
}

fn soap_settings() -> Response {
    Response::xml(
        "<q:Envelope xmlns:q=\"http://schemas.xmlsoap.org/soap/envelope/\"><q:Body>\
         <GetUserSettingsResponseMessage xmlns=\"x\"><Response><ErrorCode>NoError</ErrorCode><UserResponses>\
         <UserResponse><ErrorCode>NoError</ErrorCode><RedirectTarget/><UserSettings>\
         <UserSetting><Name>ExternalEwsUrl</Name><Value>https://mail.corp.example/EWS/Exchange.asmx</Value></UserSetting>\
         <UserSetting><Name>PublicFolderInformation</Name><Value>pf@corp.example</Value></UserSetting>\
         </UserSettings></UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></q:Body></q:Envelope>",
    )
}

fn pox_settings() -> Response {
    Response::xml(
        "<Autodiscover><Response><User><AutoDiscoverSMTPAddress>a@corp.example</AutoDiscoverSMTPAddress></User>\
         <Account><Action>settings</Action><Protocol><Type>EXCH</Type><Server>g@corp.example</Server>\
         <EwsUrl>https://in.corp.example/EWS/Exchange.asmx</EwsUrl></Protocol>\
         <Protocol><Type>EXPR</Type><EwsUrl>https://mail.corp.example/EWS/Exchange.asmx</EwsUrl></Protocol>\
         <PublicFolderInformation><SmtpAddress>pf@corp.example</SmtpAddress></PublicFolderInformation>\
         </Account></Response></Autodiscover>",
    )
}

/// As a server that wants a login.
fn guarded(request: &Request, answer: impl Fn(&Request) -> Response) -> Response {
    match request.header("authorization") {
        Some(_) => answer(request),
        None => Response::status(401).with("WWW-Authenticate", "Basic realm=\"x\""),
    }
}

#[tokio::test]
async fn settings_come_by_soap_and_by_plain_xml() {
    for (file, form) in [
        ("autodiscover.svc", soap_settings as fn() -> Response),
        ("autodiscover.xml", pox_settings),
    ] {
        let server = Server::start(move |request| guarded(request, |_| form())).await;
        let found = ask(&asked(&server, file, &[])).await.unwrap();
        assert_eq!(found.ews_url, "https://mail.corp.example/EWS/Exchange.asmx");
        assert_eq!(found.settings["PublicFolderInformation"], "pf@corp.example");
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "asked without, then with credentials");
        assert!(requests[0].header("authorization").is_none());
        assert!(requests[1].body.contains("ann@corp.example"));
    }
}

/// An attacker's server, which notes who shows it credentials.
async fn hostile() -> (Server, Arc<Mutex<Vec<Request>>>) {
    let seen = Arc::new(Mutex::new(vec![]));
    let log = seen.clone();
    let server = Server::start(move |request| {
        log.lock().unwrap().push(request.clone());
        guarded(request, |_| soap_settings())
    });
    (server.await, seen)
}

#[tokio::test]
async fn credentials_never_follow_a_redirect_to_an_untrusted_host() {
    let (evil, seen) = hostile().await;
    let port = evil.address.port();
    // By status before and after the login, by answer in both forms, and by mail address.
    let elsewhere = format!("https://evil.example:{port}/autodiscover/autodiscover.svc");
    let soap = |code: &str, target: &str| {
        Response::xml(format!(
            "<e:Envelope xmlns:e=\"u\"><e:Body><UserResponse><ErrorCode>{code}</ErrorCode>\
             <RedirectTarget>{target}</RedirectTarget></UserResponse></e:Body></e:Envelope>"
        ))
    };
    let pox = |action: &str, inner: &str| {
        Response::xml(format!(
            "<Autodiscover><Response><Account><Action>{action}</Action>{inner}</Account></Response></Autodiscover>"
        ))
    };
    let cases = [
        (false, Response::status(302).with("Location", &elsewhere)),
        (true, Response::status(302).with("Location", &elsewhere)),
        (true, soap("RedirectUrl", &elsewhere)),
        (true, soap("RedirectAddress", "ann@evil.example")),
        (
            true,
            pox(
                "redirectUrl",
                &format!("<RedirectUrl>{elsewhere}</RedirectUrl>"),
            ),
        ),
        (
            true,
            pox(
                "redirectAddr",
                "<RedirectAddr>ann@evil.example</RedirectAddr>",
            ),
        ),
        // In the clear, to a host of the domain.
        (
            true,
            Response::status(302).with(
                "Location",
                "http://mail.corp.example/autodiscover/autodiscover.xml",
            ),
        ),
        (
            true,
            Response::status(302).with("Location", "https://corp.example.evil.example/a.svc"),
        ),
    ];
    for (n, (is_guarded, answer)) in cases.into_iter().enumerate() {
        let server = Server::start(move |request| match is_guarded {
            true => guarded(request, |_| answer.clone()),
            false => answer.clone(),
        });
        let error = ask(&asked(&server.await, "autodiscover.svc", &[]))
            .await
            .unwrap_err();
        assert_eq!(error.class, FailureClass::Configuration, "{n}: {error}");
        assert_eq!(error.code, "autodiscover_untrusted", "{n}: {error}");
        assert!(!error.to_string().contains("ann@"), "{error}");
    }
    assert!(seen.lock().unwrap().is_empty(), "the attacker was asked");
}

#[tokio::test]
async fn a_redirect_to_a_trusted_host_is_followed_with_credentials() {
    let there = Server::start(|request| guarded(request, |_| soap_settings())).await;
    // Named by the user: the start itself is trusted, and so is its other port.
    let to = format!("http://{}/autodiscover/autodiscover.svc", there.address);
    let here = Server::start(move |_| Response::status(302).with("Location", &to)).await;
    let found = ask(&asked(&here, "autodiscover.svc", &[])).await.unwrap();
    assert!(
        found
            .answered_by
            .contains(&there.address.port().to_string())
    );
    let with: Vec<bool> = here
        .requests()
        .iter()
        .map(|one| one.header("authorization").is_some())
        .collect();
    assert_eq!(
        with,
        [false],
        "the one that only leads on needs no credentials"
    );
    let expected = format!("Basic {}", STANDARD.encode_to_string("backup:hush"));
    assert_eq!(
        there.requests()[1].header("authorization"),
        Some(expected.as_str())
    );
}

#[tokio::test]
async fn a_redirect_without_end_a_wrong_login_and_no_service_are_told_apart() {
    let server = Server::start(|request| {
        let again = format!(
            "http://{}/autodiscover/autodiscover.svc",
            request.header("host").unwrap()
        );
        Response::status(302).with("Location", &again)
    });
    let error = ask(&asked(&server.await, "autodiscover.svc", &[]))
        .await
        .unwrap_err();
    assert_eq!(error.code, "autodiscover_loop");
    let server = Server::start(|_| Response::status(401).with("WWW-Authenticate", "Basic")).await;
    let error = ask(&asked(&server, "autodiscover.svc", &[]))
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::AuthCredential);
    for status in [404, 503] {
        let server = Server::start(move |_| Response::status(status)).await;
        let error = ask(&asked(&server, "autodiscover.xml", &[]))
            .await
            .unwrap_err();
        assert_eq!(error.code, "autodiscover_failed", "{error}");
        assert!(error.to_string().contains("--ews-url"), "{error}");
    }
}
