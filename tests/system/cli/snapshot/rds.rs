//! A test server with the part of RDS's query protocol that `orderflow snapshot` uses. Tests set
//! its responses. (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/Welcome.html>)

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    process::Output,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use tokio::{net::TcpListener, task::JoinHandle};
use url::form_urlencoded;

use super::super::program;

/// A request: `Action` and its parameters.
pub(super) type RdsRequest = BTreeMap<String, String>;

#[derive(Default)]
struct Conversation {
    answers: HashMap<String, VecDeque<(u16, String)>>,
    requests: Vec<RdsRequest>,
}

pub(super) struct Rds {
    url: String,
    conversation: Arc<Mutex<Conversation>>,
    server: JoinHandle<()>,
}

impl Drop for Rds {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Rds {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let conversation = Arc::<Mutex<Conversation>>::default();
        let service = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&conversation));
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self {
            url,
            conversation,
            server,
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Queues a response to this action; the last one is repeated.
    pub(super) fn respond(&self, action: &str, result: &str) -> &Self {
        let text = format!(
            "<{action}Response xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><{action}Result>{result}</{action}Result>\
             <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{action}Response>"
        );
        self.answers(action, 200, text)
    }

    pub(super) fn respond_with_error(&self, action: &str, status: u16, code: &str) -> &Self {
        let text = format!(
            "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>The message of AWS.</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        );
        self.answers(action, status, text)
    }

    fn answers(&self, action: &str, status: u16, text: String) -> &Self {
        self.conversation
            .lock()
            .unwrap()
            .answers
            .entry(action.to_owned())
            .or_default()
            .push_back((status, text));
        self
    }

    /// Returns all requests so far.
    pub(super) fn received_requests(&self) -> Vec<RdsRequest> {
        self.conversation.lock().unwrap().requests.clone()
    }

    pub(super) fn actions(&self) -> Vec<String> {
        self.received_requests()
            .iter()
            .map(|request| request["Action"].clone())
            .collect()
    }

    /// Runs `orderflow snapshot …` against this server, for the instance `orders`.
    pub(super) async fn orderflow(&self, arguments: &[&str]) -> Output {
        let mut command = program();
        command
            .args(arguments)
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_REGION", "eu-central-1");
        command
            .env("AWS_ACCESS_KEY_ID", "marked-key-id")
            .env("AWS_SECRET_ACCESS_KEY", "marked-access-key");
        command.env("ORDERFLOW_DB_INSTANCE", "orders");
        super::isolate_from_aws(&mut command);
        command.output().await.unwrap()
    }
}

async fn answer(
    State(conversation): State<Arc<Mutex<Conversation>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let signed = headers["authorization"].to_str().unwrap();
    assert!(
        signed.contains("Credential=marked-key-id/")
            && signed.contains("/eu-central-1/rds/aws4_request"),
        "{signed}"
    );
    let request: RdsRequest = form_urlencoded::parse(&body).into_owned().collect();
    let mut conversation = conversation.lock().unwrap();
    let action = request["Action"].clone();
    conversation.requests.push(request);
    let answers = conversation
        .answers
        .get_mut(&action)
        .unwrap_or_else(|| panic!("{action} was not expected"));
    let next = if answers.len() > 1 {
        answers.pop_front()
    } else {
        answers.front().cloned()
    };
    let (status, text) = next.unwrap();
    (StatusCode::from_u16(status).unwrap(), text)
}

/// Returns the XML of a snapshot of an instance.
pub(super) fn snapshot(name: &str, of: &str, more: &str) -> String {
    format!(
        "<DBSnapshot><DBSnapshotIdentifier>{name}</DBSnapshotIdentifier><DBInstanceIdentifier>{of}</DBInstanceIdentifier>\
         <AllocatedStorage>100</AllocatedStorage><SnapshotType>manual</SnapshotType>{more}</DBSnapshot>"
    )
}

pub(super) const ENCRYPTED: &str = "<Status>available</Status><Encrypted>true</Encrypted>\
     <SnapshotCreateTime>2026-11-21T09:30:00.123Z</SnapshotCreateTime>";

pub(super) fn snapshots(all: &[String]) -> String {
    format!("<DBSnapshots>{}</DBSnapshots>", all.concat())
}

/// Returns the XML of the instance `orders`, as `infrastructure/database.yaml` creates it.
pub(super) fn instance(is_encrypted: bool) -> String {
    format!(
        "<DBInstances><DBInstance><DBInstanceIdentifier>orders</DBInstanceIdentifier>\
         <DBInstanceClass>db.m7g.large</DBInstanceClass><DBInstanceStatus>available</DBInstanceStatus>\
         <StorageEncrypted>{is_encrypted}</StorageEncrypted><MultiAZ>true</MultiAZ><StorageType>gp3</StorageType>\
         <MaxAllocatedStorage>400</MaxAllocatedStorage><PubliclyAccessible>true</PubliclyAccessible>\
         <DBSubnetGroup><DBSubnetGroupName>private-subnets</DBSubnetGroupName></DBSubnetGroup>\
         <VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId></VpcSecurityGroupMembership>\
         <VpcSecurityGroupMembership><VpcSecurityGroupId>sg-2</VpcSecurityGroupId></VpcSecurityGroupMembership></VpcSecurityGroups>\
         <DBParameterGroups><DBParameterGroup><DBParameterGroupName>forces-tls</DBParameterGroupName></DBParameterGroup></DBParameterGroups>\
         <EnabledCloudwatchLogsExports><member>postgresql</member></EnabledCloudwatchLogsExports>\
         <MasterUserSecret><SecretArn>arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds-1</SecretArn></MasterUserSecret>\
         <TagList><Tag><Key>team</Key><Value>orders</Value></Tag><Tag><Key>aws:cloudformation:stack-name</Key><Value>orderflow</Value></Tag></TagList>\
         </DBInstance></DBInstances>"
    )
}

/// Returns the XML of a new instance with the given status.
pub(super) fn restored(name: &str, status: &str) -> String {
    format!(
        "<DBInstances><DBInstance><DBInstanceIdentifier>{name}</DBInstanceIdentifier><DBInstanceStatus>{status}</DBInstanceStatus>\
         <Endpoint><Address>{name}.c9akciq32rgx.eu-central-1.rds.amazonaws.com</Address><Port>5432</Port></Endpoint>\
         </DBInstance></DBInstances>"
    )
}
