//! Keys sealed by KMS.

use std::sync::Arc;

use aws_sdk_kms::Client;
use mailkeep_aws::KmsKeys;
use mailkeep_ports::{
    KeyService, KeyServiceErrorKind as Kind, ServiceSecret, TestClock, conformance,
};

use crate::support::config;

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn a_key_of_kms_keeps_the_contract() {
    let config = config().await;
    let client = Client::new(&config);
    let key = client.create_key().send().await.unwrap();
    let key = key.key_metadata.unwrap().key_id;
    let clock = Arc::new(TestClock::default());
    let keys = KmsKeys::new(&config, Some(key.clone()), clock.clone());
    conformance::key_service(&keys, None).await.unwrap();

    let secret = ServiceSecret::new([1; 32]);
    let sealed = keys.seal(&secret, "vault").await.unwrap();
    let any = KmsKeys::new(&config, None, clock.clone());
    assert_eq!(any.open(&sealed, "vault").await.unwrap(), secret);
    let unnamed = any.seal(&secret, "vault").await;
    assert_eq!(unnamed.unwrap_err().kind, Kind::Invalid);

    let delete = client.schedule_key_deletion().key_id(&key);
    delete.pending_window_in_days(7).send().await.unwrap();
    let fresh = KmsKeys::new(&config, Some(key), clock.clone());
    let gone = fresh.open(&sealed, "vault").await.unwrap_err();
    assert_eq!(gone.kind, Kind::Missing, "{gone}");
    let nowhere = Some("00000000-0000-0000-0000-000000000000".to_owned());
    let nowhere = KmsKeys::new(&config, nowhere, clock);
    let missing = nowhere.seal(&secret, "vault").await.unwrap_err();
    assert_eq!(missing.kind, Kind::Missing, "{missing}");
}
