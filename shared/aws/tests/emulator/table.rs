//! The table.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use mailkeep_aws::DynamoTable;
use mailkeep_ports::{Table, conformance};

use crate::support::{config, fresh_name};

/// More than the suite makes.
const TABLES: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn the_table_keeps_the_contract() {
    let config = config().await;
    let client = Client::new(&config);
    let mut tables: Vec<Arc<dyn Table>> = vec![];
    for _ in 0..TABLES {
        let name = fresh_name("table");
        let mut create = client.create_table().table_name(&name);
        for (attribute, key_type) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            let definition = AttributeDefinition::builder().attribute_name(attribute);
            let definition = definition.attribute_type(ScalarAttributeType::S);
            let key = KeySchemaElement::builder().attribute_name(attribute);
            create = create
                .attribute_definitions(definition.build().unwrap())
                .key_schema(key.key_type(key_type).build().unwrap());
        }
        let create = create.billing_mode(BillingMode::PayPerRequest);
        create.send().await.unwrap();
        tables.push(Arc::new(DynamoTable::new(&config, name)));
    }
    let tables = Mutex::new(tables);
    let fresh = move || tables.lock().unwrap().pop().unwrap();
    conformance::table(&fresh).await.unwrap();
}
