//! What a new connection reaches, from the arguments of `mailkeep connection add`.

use std::path::Path;
use std::sync::Arc;

use mailkeep_exchange::ews::{EwsAutodiscover, discover};
use mailkeep_exchange::graph;
use mailkeep_setup::connection::{
    Access, Credential, ExchangeLogin, ExchangeReach, GraphReach, Reach,
};
use url::Url;

use crate::args::{AddArgs, Cloud, ExchangeAccess, ExchangeLogin as Login};
use crate::secret::{CLIENT_SECRET_VARIABLE, EXCHANGE_PASSWORD_VARIABLE};
use crate::session::Session;
use crate::{CliError, files};

/// Reads secrets and files and checks what can be checked without use.
///
/// # Errors
/// When something is missing, cannot be read or is not usable.
pub(super) async fn reach(session: &Session, args: &AddArgs) -> Result<Reach, CliError> {
    let given = &args.exchange;
    if given.ews_url.is_some() || given.ews_autodiscover.is_some() {
        return exchange(session, args).await.map(Reach::Exchange);
    }
    tenant(session, args).await.map(Reach::Graph)
}

fn needed(value: Option<&String>, option: &str) -> Result<String, CliError> {
    value
        .cloned()
        .ok_or_else(|| CliError::Usage(format!("{option} is needed here")))
}

async fn credential(session: &Session, args: &AddArgs) -> Result<Credential, CliError> {
    Ok(match (&args.certificate_file, &args.private_key_file) {
        (Some(certificate), Some(key)) => Credential::Certificate {
            certificate_pem: files::read_small_text(certificate)?,
            private_key_pem: session.input.text_file("private key", key).await?,
        },
        _ => {
            let file = args.client_secret_file.as_deref();
            let input = &session.input;
            let secret = input.read("client secret", file, CLIENT_SECRET_VARIABLE);
            Credential::Secret {
                client_secret: secret.await?,
            }
        }
    })
}

async fn tenant(session: &Session, args: &AddArgs) -> Result<GraphReach, CliError> {
    let credential = credential(session, args).await?;
    let cloud = cloud_of(args.cloud);
    let url = |given: &Option<String>, usual: &str| given.clone().unwrap_or(usual.to_owned());
    let hosts = (
        cloud.code().to_owned(),
        url(&args.login_url, cloud.login_url()),
        url(&args.graph_url, cloud.graph_url()),
    );
    Ok(GraphReach::new(
        needed(args.tenant.as_ref(), "--tenant")?,
        needed(args.client_id.as_ref(), "--client-id")?,
        hosts,
        credential,
    )?)
}

/// The host of an address of EWS.
fn host(url: &str) -> Result<String, CliError> {
    let host = Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_lowercase));
    host.ok_or_else(|| {
        CliError::Usage(
            "--ews-url must look like https://mail.example.com/EWS/Exchange.asmx".to_owned(),
        )
    })
}

async fn exchange(session: &Session, args: &AddArgs) -> Result<ExchangeReach, CliError> {
    let given = &args.exchange;
    // A typo shows before anybody is asked for a secret.
    given.ews_url.as_deref().map(host).transpose()?;
    let file = needed(
        given
            .mailboxes_file
            .as_ref()
            .map(|path| path.display().to_string())
            .as_ref(),
        "--mailboxes-file",
    )?;
    let mailboxes = addresses(Path::new(&file))?;
    let login = match given.login {
        Login::Oauth => ExchangeLogin::Oauth {
            tenant: needed(args.tenant.as_ref(), "--tenant")?,
            client_id: needed(args.client_id.as_ref(), "--client-id")?,
            login_url: args
                .login_url
                .clone()
                .unwrap_or_else(|| cloud_of(args.cloud).login_url().to_owned()),
            credential: credential(session, args).await?,
        },
        kind => {
            let user = needed(given.user.as_ref(), "--user")?;
            let file = given.password_file.as_deref();
            let input = &session.input;
            let password = input.read("password", file, EXCHANGE_PASSWORD_VARIABLE);
            let password = password.await?;
            match kind {
                Login::Basic => ExchangeLogin::Basic { user, password },
                _ => ExchangeLogin::Ntlm { user, password },
            }
        }
    };
    let authority = given.authority_file.as_deref();
    let authority_pem = authority.map(files::read_small_text).transpose()?;
    let url = match (&given.ews_url, &given.ews_autodiscover) {
        (None, Some(address)) => {
            let asked = EwsAutodiscover {
                address: address.clone(),
                start: given.autodiscover_url.clone(),
                trusted_hosts: given.trusted_hosts.clone(),
                login: login.clone().into_settings(),
                authority_pem: authority_pem.clone(),
            };
            let (clock, rng) = (Arc::clone(&session.clock), Arc::clone(&session.rng));
            discover(&asked, clock, rng).await?.ews_url
        }
        (url, _) => url.clone().unwrap_or_default(),
    };
    Ok(ExchangeReach {
        organisation: match &given.organisation {
            Some(organisation) => organisation.clone(),
            None => host(&url)?,
        },
        url,
        login,
        access: match given.access {
            ExchangeAccess::Impersonation => Access::Impersonation,
            ExchangeAccess::Delegate => Access::Delegate,
        },
        mailboxes,
        public_folders_as: given.public_folders_as.clone(),
        authority_pem,
    })
}

/// The addresses in a file, one per line; blank lines and comments with `#` are left out.
fn addresses(path: &Path) -> Result<Vec<String>, CliError> {
    let text = files::read_small_text(path)?;
    let all: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    if all.is_empty() {
        return Err(CliError::Usage(format!(
            "{} names no mailbox",
            path.display()
        )));
    }
    Ok(all)
}

fn cloud_of(cloud: Cloud) -> graph::Cloud {
    match cloud {
        Cloud::Worldwide => graph::Cloud::Worldwide,
        Cloud::UsGovL4 => graph::Cloud::UsGovL4,
        Cloud::UsGovL5 => graph::Cloud::UsGovL5,
        Cloud::China => graph::Cloud::China,
    }
}
