//! The function's request handler.

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

/// The function, which has neither settings nor clients.
#[derive(Debug)]
pub struct App;

impl Application for App {
    const SERVICE: &'static str = "orderflow-web";
    const FUNCTION: Function = Function::Web;

    fn from_env() -> Result<Self, SettingError> {
        Ok(Self)
    }

    async fn warm_up(&self) {}

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Web, request, async |request| route(&request)).await
    }
}

fn route(request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Web(operation) = request.operation else {
        return Err(Problem::internal("a request of another function"));
    };
    let file = match operation {
        WebOperation::Console => Some(&files::CONSOLE),
        WebOperation::ConsoleFile => {
            files::find_file(files::CONSOLE_FILES, request.path_remainder())
        }
        WebOperation::OpenApi => Some(&files::OPEN_API),
        WebOperation::SwaggerUi => Some(&files::SWAGGER_UI),
        WebOperation::SwaggerUiFile => {
            files::find_file(files::SWAGGER_UI_FILES, request.path_remainder())
        }
        WebOperation::ReDoc => Some(&files::REDOC),
        WebOperation::ReDocFile => files::find_file(files::REDOC_FILES, request.path_remainder()),
    };
    file.map(|file| file_response(request, file))
        .ok_or_else(|| {
            Problem::new(
                ProblemCode::RouteNotFound,
                "The API has no file with this path.",
            )
        })
}

/// Returns the file, or 304 if the caller has cached it.
fn file_response(request: &ApiRequest, file: &File) -> ApiResponse {
    let (version, cache) = match file.cache {
        CachePolicy::Immutable(version) => {
            (version.to_owned(), "public, max-age=31536000, immutable")
        }
        CachePolicy::Revalidated => (file.content_hash(), "no-cache"),
    };
    let is_cached = request
        .if_none_match()
        .is_some_and(|tags| tags.matches_opaque_tag(&version));
    let response = if is_cached {
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
    headers
        .into_iter()
        .fold(response, |response, (name, value)| {
            response.with_header(name, value.to_owned())
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
    async fn cached_file_is_not_modified() {
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
            for tags in [etag, &format!("\"other\", W/{etag}"), "*"] {
                let (status, headers, body) = get(path, tags).await;
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
    async fn unknown_file_is_not_found() {
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
