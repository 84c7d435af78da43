//! Where the function's calls go.

use lambda_http::{Body, Request, Response, http::header};

use crate::{
    browser_policy,
    files::{self, CachePolicy, File},
};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, Function, Operation, Problem, ProblemCode, WebOperation,
    serve,
};
use settings::SettingError;

/// It has no settings and no doors.
#[derive(Debug)]
pub struct App;

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        Ok(Self)
    }

    async fn warm_up(&self) {}

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Web, request, async |call| answer(&call)).await
    }
}

fn answer(call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Web(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    let file = match operation {
        WebOperation::Console => Some(&files::CONSOLE),
        WebOperation::ConsoleFile => files::find_file(files::CONSOLE_FILES, call.path_remainder()),
        WebOperation::OpenApi => Some(&files::OPEN_API),
        WebOperation::SwaggerUi => Some(&files::SWAGGER_UI),
        WebOperation::SwaggerUiFile => {
            files::find_file(files::SWAGGER_UI_FILES, call.path_remainder())
        }
        WebOperation::ReDoc => Some(&files::REDOC),
        WebOperation::ReDocFile => files::find_file(files::REDOC_FILES, call.path_remainder()),
    };
    file.map(|file| send(call, file))
        .ok_or_else(|| Problem::new(ProblemCode::RouteNotFound, "There is no such file."))
}

/// The file, or that the caller has it already.
fn send(call: &ApiRequest, file: &File) -> ApiResponse {
    let (version, cache) = match file.cache {
        CachePolicy::Immutable(version) => {
            (version.to_owned(), "public, max-age=31536000, immutable")
        }
        CachePolicy::Revalidated => (file.content_hash(), "no-cache"),
    };
    let is_known = call
        .if_none_match()
        .is_some_and(|known| known.matches_opaque_tag(&version));
    let reply = if is_known {
        ApiResponse::file_not_modified()
    } else {
        ApiResponse::file(file.content_type, file.text)
    };
    let etag = format!("\"{version}\"");
    let headers = [
        (header::ETAG, etag.as_str()),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, file.policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (browser_policy::OPENER_POLICY, "same-origin"),
        (browser_policy::RESOURCE_POLICY, "same-origin"),
    ];
    headers.into_iter().fold(reply, |reply, (name, value)| {
        reply.with_header(name, value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderMap;

    use super::*;

    async fn get(path: &str, if_none_match: &str) -> (u16, HeaderMap, Body) {
        orderflow_http::configure_auth().unwrap();
        let event = format!(
            r#"{{"resource":"/{{proxy+}}","path":"{path}","httpMethod":"GET","headers":{{"host":"x","if-none-match":{if_none_match:?}}},
            "multiValueHeaders":{{"host":["x"],"if-none-match":[{if_none_match:?}]}},"queryStringParameters":null,
            "multiValueQueryStringParameters":null,"requestContext":{{"stage":"prod","httpMethod":"GET"}},"isBase64Encoded":false}}"#
        );
        let (parts, body) = App
            .handle(lambda_http::request::from_str(&event).unwrap())
            .await
            .into_parts();
        (parts.status.as_u16(), parts.headers, body)
    }

    #[tokio::test]
    async fn what_the_caller_has_already_is_not_sent_again() {
        for path in [
            "/",
            "/docs",
            "/redoc",
            "/openapi.json",
            "/docs/swagger-ui-5.35.0/swagger-ui.css",
        ] {
            let (status, headers, body) = get(path, "").await;
            assert_eq!(
                (status, headers["x-content-type-options"].to_str().unwrap()),
                (200, "nosniff"),
                "{path}"
            );
            assert!(
                matches!(&body, Body::Text(text) if !text.is_empty()),
                "{path}"
            );
            let etag = headers["etag"].to_str().unwrap();
            for known in [etag, &format!("\"other\", W/{etag}"), "*"] {
                let (status, headers, body) = get(path, known).await;
                assert_eq!(
                    (status, headers["etag"].to_str().unwrap(), body.is_empty()),
                    (304, etag, true),
                    "{path}"
                );
                assert!(
                    !headers.contains_key("content-type"),
                    "{path}: there is no content"
                );
            }
            assert_eq!(get(path, "\"other\"").await.0, 200, "{path}");
        }
    }

    #[tokio::test]
    async fn a_file_that_nobody_serves_is_a_problem() {
        for path in [
            "/console/nothing.js",
            "/docs/../Cargo.toml",
            "/redoc/redoc-2.5.4/",
            "/console/",
            "/nowhere",
        ] {
            let (status, headers, _) = get(path, "").await;
            assert_eq!(
                (status, headers["content-type"].to_str().unwrap()),
                (404, "application/problem+json"),
                "{path}"
            );
        }
    }
}
