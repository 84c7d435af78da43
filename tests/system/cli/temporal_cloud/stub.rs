//! A gRPC server with the few calls of Temporal that `migrate` and `check` make.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Request, Response},
};
use h2::{RecvStream, server::SendResponse};
use prost::Message;
use temporalio_client::tonic::Code;
use temporalio_common::protos::temporal::api::{
    enums::v1::IndexedValueType,
    operatorservice::v1::ListSearchAttributesResponse,
    workflowservice::v1::{
        CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse, GetSystemInfoResponse,
    },
};
use tokio::net::{TcpListener, TcpStream};

/// The search attributes of the namespace, and the refused calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Namespace {
    pub(crate) attributes: &'static [&'static str],
    pub(crate) list: Option<Code>,
    pub(crate) add: Option<Code>,
    pub(crate) count: Option<Code>,
}

type Answer = Result<Vec<u8>, (Code, String)>;

impl Namespace {
    /// Serves the namespace until the test ends, and returns the address.
    pub(crate) async fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                tokio::spawn(self.serve_connection(caller));
            }
        });
        address
    }

    async fn serve_connection(self, caller: TcpStream) {
        let mut connection = h2::server::handshake(caller).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(self.respond(request, respond));
        }
    }

    async fn respond(self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let is_compressed = request.headers().contains_key("grpc-encoding");
        let call = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let body = read_body(request.into_body()).await;
        let answer = if is_compressed {
            // The client then repeats the call without compression.
            Err((Code::Unimplemented, "no decompressor".to_owned()))
        } else {
            self.answer(&call, &body[5..])
        };
        let response = Response::builder().header("content-type", "application/grpc");
        let mut stream = respond
            .send_response(response.body(()).unwrap(), false)
            .unwrap();
        let mut trailers = HeaderMap::new();
        match answer {
            Ok(message) => {
                let length = u32::try_from(message.len()).unwrap().to_be_bytes();
                let frame = [&[0][..], &length, &message].concat();
                stream.send_data(Bytes::from(frame), false).unwrap();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
            }
            Err((code, message)) => {
                trailers.insert("grpc-status", HeaderValue::from(code as i32));
                trailers.insert("grpc-message", HeaderValue::try_from(message).unwrap());
            }
        }
        stream.send_trailers(trailers).unwrap();
    }

    fn answer(&self, call: &str, request: &[u8]) -> Answer {
        let refuse = |code: Option<Code>| {
            code.map_or(Ok(()), |code| Err((code, "Request unauthorized.".into())))
        };
        match call {
            "GetSystemInfo" => Ok(GetSystemInfoResponse::default().encode_to_vec()),
            "ListSearchAttributes" => {
                refuse(self.list)?;
                let keyword = i32::from(IndexedValueType::Keyword);
                let listed = ListSearchAttributesResponse {
                    custom_attributes: self
                        .attributes
                        .iter()
                        .map(|name| ((*name).to_owned(), keyword))
                        .collect(),
                    ..ListSearchAttributesResponse::default()
                };
                Ok(listed.encode_to_vec())
            }
            "AddSearchAttributes" => {
                refuse(self.add)?;
                panic!("a test must refuse the registration");
            }
            "CountWorkflowExecutions" => {
                refuse(self.count)?;
                let request = CountWorkflowExecutionsRequest::decode(request).unwrap();
                for condition in request.query.split(" and ") {
                    let name = condition.split(" = ").next().unwrap();
                    if !self.attributes.contains(&name) {
                        let message =
                            format!("invalid query: {name} is not a valid search attribute");
                        return Err((Code::InvalidArgument, message));
                    }
                }
                Ok(CountWorkflowExecutionsResponse::default().encode_to_vec())
            }
            other => panic!("unexpected call {other}"),
        }
    }
}

async fn read_body(mut body: RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        bytes.extend(chunk);
    }
    bytes
}
