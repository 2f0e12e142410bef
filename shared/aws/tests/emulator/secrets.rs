//! Secrets in Secrets Manager.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;
use mailkeep_aws::AwsSecrets;
use mailkeep_ports::conformance::{self, KnownSecrets};

use crate::support::{config, fresh_name};

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn secrets_keep_the_contract() {
    let config = config().await;
    let client = Client::new(&config);
    let name = fresh_name("text");
    let create = client.create_secret().name(&name).secret_string("a word");
    let arn = create.send().await.unwrap().arn.unwrap();
    let bytes = fresh_name("bytes");
    let create = client.create_secret().name(&bytes);
    let create = create.secret_binary(Blob::new(*b"\x00\xff"));
    create.send().await.unwrap();
    let deleted = fresh_name("deleted");
    let create = client.create_secret().name(&deleted).secret_string("x");
    create.send().await.unwrap();
    client
        .delete_secret()
        .secret_id(&deleted)
        .send()
        .await
        .unwrap();

    let prefixed = |name: &str| format!("aws:{name}");
    let known = KnownSecrets {
        present: &[
            (&prefixed(&name), b"a word"),
            (&prefixed(&arn), b"a word"),
            (&prefixed(&bytes), b"\x00\xff"),
        ],
        missing: &["aws:no-such-secret", &prefixed(&deleted)],
        invalid: &["", "word", "aws:", "env:HOME"],
    };
    let secrets = AwsSecrets::new(&config);
    conformance::secrets(&secrets, &known).await.unwrap();
}
