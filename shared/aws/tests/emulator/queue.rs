//! The queue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use mailkeep_aws::SqsQueue;
use mailkeep_ports::Queue;
use mailkeep_ports::conformance::{self, QueueUnderTest};

use crate::support::{RealTime, config, fresh_name};

/// Numbers of receives, and more queues of each than the suite makes.
const QUEUES: [(u32, usize); 2] = [(5, 10), (2, 3)];

async fn make(client: &Client, name: &str, attributes: &[(QueueAttributeName, String)]) -> String {
    let mut create = client.create_queue().queue_name(name);
    for (attribute, value) in attributes {
        create = create.attributes(attribute.clone(), value);
    }
    create.send().await.unwrap().queue_url.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn the_queue_keeps_the_contract() {
    let config = config().await;
    let client = Client::new(&config);
    let mut queues: Vec<(u32, Arc<dyn Queue>)> = vec![];
    for (receives, count) in QUEUES {
        for _ in 0..count {
            let dead = make(&client, &fresh_name("dead"), &[]).await;
            let arn = client.get_queue_attributes().queue_url(&dead);
            let arn = arn.attribute_names(QueueAttributeName::QueueArn).send();
            let arn = arn.await.unwrap().attributes.unwrap();
            let arn = &arn[&QueueAttributeName::QueueArn];
            let policy =
                format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":\"{receives}\"}}");
            let policy = (QueueAttributeName::RedrivePolicy, policy);
            let url = make(&client, &fresh_name("queue"), &[policy]).await;
            queues.push((receives, Arc::new(SqsQueue::new(&config, url, dead))));
        }
    }
    let queues = Mutex::new(queues);
    let test = QueueUnderTest {
        fresh: Box::new(move |receives| {
            let mut queues = queues.lock().unwrap();
            let at = queues.iter().position(|(count, _)| *count == receives);
            queues.swap_remove(at.unwrap()).1
        }),
        clock: Arc::new(RealTime),
        // SQS counts in whole seconds.
        unit: Duration::from_secs(2),
    };
    conformance::queue(&test).await.unwrap();
}
