//! One route table: the template, the OpenAPI document, the router of `cargo lambda watch` and the
//! sample events have the routes of [`ROUTES`], which the local gateway uses.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use orderflow_http::{Function, ROUTES, Route};

/// A method, a path with its parameters in braces, and the function that serves it.
type Served = BTreeSet<(String, String, String)>;

fn table() -> Served {
    let served = |method: &str, path: &str, function: Function| {
        (method.to_owned(), path.to_owned(), function.to_string())
    };
    ROUTES
        .iter()
        .map(|route| {
            served(
                route.method.as_str(),
                route.pattern,
                route.operation.function(),
            )
        })
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the template's resources of one type. Tags such as `!Ref` are ignored; the tests read no
/// tagged value.
fn resources(of_type: &str) -> Vec<(String, Yaml)> {
    let text = fs::read_to_string(root().join("template.yaml")).unwrap();
    let template = YamlLoader::load_from_str(&text).unwrap().remove(0);
    let resources = template["Resources"].as_hash().unwrap().clone();
    let named = |(name, resource): (Yaml, Yaml)| (name.into_string().unwrap(), resource);
    resources
        .into_iter()
        .map(named)
        .filter(|(_, resource)| resource["Type"].as_str() == Some(of_type))
        .collect()
}

#[test]
fn template_deploys_exactly_the_route_table() {
    let mut served = Served::new();
    for (name, function) in resources("AWS::Serverless::Function") {
        // CloudFormation calls it; it has no route.
        if name == "MigrateFunction" {
            continue;
        }
        let properties = &function["Properties"];
        let package = properties["CodeUri"]
            .as_str()
            .unwrap()
            .strip_prefix("functions/")
            .unwrap();
        assert!(
            Function::ALL
                .iter()
                .any(|function| function.name() == package),
            "{name}: {package}"
        );
        assert_eq!(
            function["Metadata"]["BuildMethod"].as_str(),
            Some("rust-cargolambda"),
            "{name}"
        );
        for (event, source) in properties["Events"].as_hash().unwrap() {
            assert_eq!(source["Type"].as_str(), Some("Api"), "{name}: {event:?}");
            let text = |field: &str| source["Properties"][field].as_str().unwrap().to_owned();
            let route = (text("Method"), text("Path"), package.to_owned());
            assert!(served.insert(route.clone()), "{route:?} twice");
        }
    }
    assert_eq!(served, deployed());
}

/// Returns the table as the template has it. The function `web` also receives other methods of each
/// path and all other paths.
fn deployed() -> Served {
    let web = Function::FALLBACK.to_string();
    let of_others = table()
        .into_iter()
        .filter(|(_, _, function)| *function != web);
    let paths = table()
        .into_iter()
        .map(|(_, path, _)| path)
        .chain(["/{proxy+}".to_owned()]);
    // A function serves HEAD as it serves GET.
    let heads = table()
        .into_iter()
        .filter(|(method, _, function)| method == "GET" && *function != web)
        .map(|(_, path, function)| ("HEAD".to_owned(), path, function));
    of_others
        .chain(heads)
        .chain(paths.map(|path| ("ANY".to_owned(), path, web.clone())))
        .collect()
}

#[test]
fn document_covers_every_route_except_pages() {
    let text = fs::read_to_string(root().join("docs/openapi.json")).unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    let operations = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(move |method| (method.to_uppercase(), path.clone()))
        });
    // The pages of the function `web` are not operations of the API.
    let served = table()
        .into_iter()
        .filter(|(_, _, function)| function != Function::Web.name())
        .map(|(method, path, _)| (method, path));
    assert_eq!(operations.collect::<BTreeSet<_>>(), served.collect());
}

#[test]
fn functions_have_separate_log_groups_and_roles() {
    let functions = resources("AWS::Serverless::Function");
    let names = |field: &dyn Fn(&Yaml) -> &Yaml| -> BTreeSet<_> {
        functions
            .iter()
            .map(|(_, function)| field(&function["Properties"]).as_str().unwrap().to_owned())
            .collect()
    };
    let logs = names(&|properties| &properties["LoggingConfig"]["LogGroup"]);
    let roles = names(&|properties| &properties["Role"]);
    // Those of the API, and `migrate`.
    let count = Function::ALL.len() + 1;
    assert_eq!((logs.len(), roles.len()), (count, count));
    let groups = resources("AWS::Logs::LogGroup");
    // API Gateway has its own log group.
    let expected: BTreeSet<_> = logs.into_iter().chain(["AccessLogs".to_owned()]).collect();
    assert_eq!(
        groups
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<BTreeSet<_>>(),
        expected
    );
    assert!(
        groups
            .iter()
            .all(|(_, group)| !group["Properties"]["RetentionInDays"].is_badvalue())
    );
}

#[test]
fn cargo_lambda_watch_serves_exactly_the_route_table() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let router = metadata["metadata"]["lambda"]["watch"]["router"]
        .as_object()
        .unwrap();
    // The router has one function for all methods of a path, or a list of methods.
    let function = |path: &str, method: &str| {
        let in_list = || {
            let route = router[path]
                .as_array()?
                .iter()
                .find(|route| route["method"] == method)?;
            route["function"].as_str()
        };
        router[path]
            .as_str()
            .or_else(in_list)
            .unwrap_or_else(|| panic!("{method} {path}"))
            .to_owned()
    };
    // API Gateway writes `{path+}` for `{*path}`.
    let spelled = |path: &str| path.replace("{path+}", "{*path}");
    for (method, path, expected) in table() {
        assert_eq!(
            function(&spelled(&path), &method),
            expected,
            "{method} {path}"
        );
    }
    let known: BTreeSet<_> = table()
        .iter()
        .map(|(_, path, _)| spelled(path))
        .chain(["/{*path}".to_owned()])
        .collect();
    assert_eq!(router.keys().cloned().collect::<BTreeSet<_>>(), known);
    for path in known {
        for method in ["DELETE", "GET", "PATCH", "POST", "PUT"] {
            let function = function(&path, method);
            assert!(
                Function::ALL.iter().any(|known| known.name() == function),
                "{method} {path}: {function}"
            );
        }
    }
}

#[test]
fn sample_events_cover_every_route_and_api_kind() {
    let mut called = BTreeSet::new();
    for entry in fs::read_dir(root().join("localstack/events")).unwrap() {
        let path = entry.unwrap().path();
        let event: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let text = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let rest = (text("/httpMethod"), text("/path"));
        let http = (text("/requestContext/http/method"), text("/rawPath"));
        let (shape, (method, called_path)) = if rest.0.is_empty() {
            ("http", http)
        } else {
            ("rest", rest)
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            name.ends_with(&format!(".{shape}.json")),
            "{name} is of the kind {shape}"
        );
        let (route, _) =
            orderflow_http::find_route(&method.parse().unwrap(), &called_path).unwrap();
        if shape == "rest" {
            assert_eq!(text("/resource"), route.pattern, "{name}");
        }
        called.insert((route.method.to_string(), route.pattern, shape));
    }
    let both = |route: &Route| {
        ["http", "rest"].map(|shape| (route.method.to_string(), route.pattern, shape))
    };
    assert_eq!(
        called,
        ROUTES.iter().flat_map(both).collect::<BTreeSet<_>>()
    );
}
