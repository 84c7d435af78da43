//! Compares the document with the code that it describes.

// The system tests check responses with the same code.
#[path = "../../../tests/system/schema.rs"]
mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};

use crate::{document, requests::Body};
use contract::{
    Approval, Cancellation, DeliveryConfirmation, Document, EndpointChangeRequest, EndpointRequest,
    EstimatedDeliveryView, HoldRequest, InvalidFields, OrderRequest, OrderView,
    PaymentCancellation, PaymentConfirmation, RefundRequest, Rejection, Release, Request,
    ResultView, ReturnNote, ReturnReceipt, ReturnRequest, StatusView, StockRequest,
};
use domain::{AddressChange, AuditEvent, AuditEventType, ItemsChange, NotesChange};
use orderflow_http::{Operation, ProblemCode, ProblemKind, ROUTES};

#[test]
fn checked_in_document_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let made = format!("{:#}\n", document());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let same = fs::read_to_string(&file).unwrap() == made;
    assert!(
        same,
        "docs/openapi.json is not up to date: run UPDATE_OPENAPI=1 cargo test --workspace --lib checked_in_document"
    );
}

#[test]
fn document_covers_every_route_except_pages() {
    let of_table: BTreeSet<_> = ROUTES
        .iter()
        .filter(|route| !matches!(route.operation, Operation::Web(_)))
        .map(|route| {
            let method = route.method.as_str().to_lowercase();
            (route.pattern.to_owned(), method)
        })
        .collect();
    let document = document();
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            described.insert((path.clone(), method.clone()));
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{path}: two operations have the same id"
            );
            let named: BTreeSet<_> = operation["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|parameter| {
                    let parameter = resolve(&document, parameter);
                    (parameter["in"] == "path")
                        .then(|| format!("{{{}}}", parameter["name"].as_str().unwrap()))
                })
                .collect();
            let in_path = path
                .split('/')
                .filter(|segment| segment.starts_with('{'))
                .map(str::to_owned);
            assert_eq!(
                named.into_iter().flatten().collect::<BTreeSet<_>>(),
                in_path.collect::<BTreeSet<_>>(),
                "{method} {path}"
            );
        }
    }
    assert_eq!(described, of_table);
}

#[test]
fn every_problem_kind_is_a_response() {
    let document = document();
    let mut answered = BTreeSet::new();
    for operation in operations(&document) {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let content = &answer["content"]["application/problem+json"];
            let narrowed = &content["schema"]["allOf"][1]["properties"];
            for code in narrowed["code"]["enum"].as_array().into_iter().flatten() {
                let kind = ProblemKind::all().find(|kind| kind.code() == code).unwrap();
                assert_eq!(
                    (kind.status().to_string(), &narrowed["status"]["const"]),
                    (status.clone(), &json!(kind.status()))
                );
                let example = resolve(&document, &content["examples"][kind.code()]);
                assert_eq!(
                    (&example["value"]["code"], &example["value"]["status"]),
                    (code, &json!(kind.status()))
                );
                answered.insert(kind.code());
            }
        }
    }
    // A method that no route has cannot be a response of a route.
    let elsewhere = [ProblemCode::MethodNotAllowed].map(|code| ProblemKind::Api(code).code());
    let all: BTreeSet<_> = ProblemKind::all()
        .map(ProblemKind::code)
        .filter(|code| !elsewhere.contains(code))
        .collect();
    assert_eq!(answered, all);
    assert_eq!(
        document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
            .as_array()
            .unwrap()
            .len(),
        ProblemKind::all().count()
    );
}

#[test]
fn every_event_type_has_schema_and_example() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let names: Vec<_> = AuditEventType::ALL
        .iter()
        .map(|kind| kind.as_str())
        .collect();
    assert_eq!(schemas["EventType"]["enum"], json!(names));
    let any = schemas["Event"]["oneOf"].as_array().unwrap();
    assert_eq!(any.len(), names.len());
    for (kind, one) in AuditEventType::ALL.iter().zip(any) {
        let schema = resolve(&document, one);
        assert_eq!(schema["properties"]["type"]["const"], kind.as_str());
        assert_eq!(
            schemas["Event"]["discriminator"]["mapping"][kind.as_str()],
            one["$ref"]
        );
        assert!(
            schema["description"].as_str().unwrap().ends_with('.'),
            "{kind}"
        );
        let example = &schema["examples"][0];
        assert_eq!(
            serde_json::from_value::<AuditEvent>(example.clone())
                .unwrap()
                .kind,
            *kind
        );
        assert_eq!(
            schema::violations(&document, &schemas["Event"], example),
            [""; 0],
            "{kind}"
        );
    }
}

#[test]
fn every_response_schema_has_a_valid_example() {
    let document = document();
    let bodies = Body::ALL.map(Body::name);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if bodies.contains(&name.as_str()) || schema.get("enum").is_some() {
            continue;
        }
        let examples = schema["examples"]
            .as_array()
            .unwrap_or_else(|| panic!("{name} has no example"));
        assert_eq!(
            schema::violations(&document, schema, &examples[0]),
            [""; 0],
            "{name}"
        );
    }
    for operation in operations(&document) {
        for answer in operation["responses"].as_object().unwrap().values() {
            let content = &answer["content"]["application/json"];
            let Some(example) = content.get("example") else {
                continue;
            };
            let found = schema::violations(&document, &content["schema"], example);
            assert_eq!(found, [""; 0], "{}", operation["operationId"]);
        }
    }
}

#[test]
fn invalid_events_violate_their_schema() {
    let document = document();
    let event = &document["components"]["schemas"]["OrderValidatedEvent"];
    for (pointer, value) in [
        ("/payload/total", json!("99.99")),
        ("/payload/currency", json!(null)),
        ("/payload/total_amount", json!(99.99)),
        ("/payload", json!({"total": 1})),
        ("/payload", json!(null)),
        ("/type", json!("order_received")),
        ("/seq", json!(-1)),
        ("/ts", json!("today")),
        ("/by", json!("operator")),
    ] {
        let mut wrong = event["examples"][0].clone();
        let (at, name) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(at).unwrap()[name] = value.clone();
        assert_ne!(
            schema::violations(&document, event, &wrong),
            [""; 0],
            "{pointer} = {value}"
        );
        assert_ne!(
            schema::violations(
                &document,
                &document["components"]["schemas"]["Event"],
                &wrong
            ),
            [""; 0]
        );
    }
}

#[test]
fn references_and_components_match() {
    let document = document();
    let mut references = BTreeSet::new();
    walk(&document, &mut |value| {
        if let Some(reference) = value["$ref"].as_str() {
            assert!(
                document.pointer(&reference[1..]).is_some(),
                "{reference} does not exist"
            );
            references.insert(reference.to_owned());
        }
    });
    for kind in ["schemas", "examples", "headers", "parameters"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            let elsewhere = ["Allow", "EventType", "method_not_allowed"].contains(&name.as_str());
            // The enum of event types is for clients that need only the names.
            assert!(
                references.contains(&reference) || elsewhere,
                "{reference} is not used"
            );
        }
    }
}

/// Reads a body with its reader and returns the pointers of the fields that the reader refuses.
fn read(body: Body, text: &str) -> Result<(), Vec<String>> {
    fn request<T: Request>(text: &str) -> Result<(), Vec<String>> {
        T::parse(text).map(drop).map_err(|error| match error {
            contract::RequestError::Invalid(invalid) => pointers(invalid),
            contract::RequestError::Syntax(error) => panic!("{error}"),
        })
    }
    match body {
        Body::Order | Body::PartialOrder => {
            let parsed = Document::parse(text)
                .unwrap()
                .read_object(OrderRequest::from_fields)
                .map_err(pointers)?;
            if body == Body::Order {
                parsed.into_order().map(drop).map_err(pointers)
            } else {
                Ok(())
            }
        }
        Body::Approval => request::<Approval>(text),
        Body::Rejection => request::<Rejection>(text),
        Body::Cancellation => request::<Cancellation>(text),
        Body::PaymentCancellation => request::<PaymentCancellation>(text),
        Body::Address => request::<AddressChange>(text),
        Body::Payment => request::<PaymentConfirmation>(text),
        Body::Delivery => request::<DeliveryConfirmation>(text),
        Body::Hold => request::<HoldRequest>(text),
        Body::Release => request::<Release>(text),
        Body::Notes => request::<NotesChange>(text),
        Body::Items => request::<ItemsChange>(text),
        Body::Refund => request::<RefundRequest>(text),
        Body::Return => request::<ReturnRequest>(text),
        Body::ReturnNote => request::<ReturnNote>(text),
        Body::ReturnReceipt => request::<ReturnReceipt>(text),
        Body::Stock => request::<StockRequest>(text),
        Body::Endpoint => request::<EndpointRequest>(text),
        Body::EndpointChange => request::<EndpointChangeRequest>(text),
    }
}

fn pointers(InvalidFields(errors): InvalidFields) -> Vec<String> {
    errors.into_iter().map(|error| error.pointer).collect()
}

#[test]
fn readers_accept_every_request_example() {
    for body in Body::ALL {
        for (name, example) in body.examples() {
            assert_eq!(read(body, &example.to_string()), Ok(()), "{body:?} {name}");
        }
    }
}

#[test]
fn response_examples_deserialize_to_their_types() {
    fn reads_back<T: serde::de::DeserializeOwned + serde::Serialize>(value: &Value) {
        let read: T = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(&serde_json::to_value(read).unwrap(), value);
    }
    reads_back::<OrderView>(&crate::examples::order());
    reads_back::<StatusView>(&crate::examples::status());
    reads_back::<EstimatedDeliveryView>(&crate::examples::estimated_delivery());
    reads_back::<ResultView>(&crate::examples::result());
    reads_back::<OrderView>(&crate::examples::order_list()["orders"][0]);
    for event in crate::examples::audit_log()["events"].as_array().unwrap() {
        reads_back::<AuditEvent>(event);
    }
}

#[test]
fn response_examples_have_the_fields_of_their_schema() {
    let document = document();
    for operation in operations(&document) {
        for answer in operation["responses"].as_object().unwrap().values() {
            let content = &answer["content"]["application/json"];
            let Some(example) = content["example"].as_object() else {
                continue;
            };
            let schema = resolve(&document, &content["schema"]);
            for name in schema["required"].as_array().unwrap() {
                assert!(
                    example.contains_key(name.as_str().unwrap()),
                    "{}: {name}",
                    operation["operationId"]
                );
            }
            for name in example.keys() {
                assert!(
                    schema["properties"].get(name).is_some(),
                    "{}: {name}",
                    operation["operationId"]
                );
            }
        }
    }
}

/// Sets one field at a time to its limit and beyond. The reader accepts the limit and refuses the
/// value beyond it by the field's name.
#[test]
fn document_and_readers_have_the_same_limits() {
    let mut checked: BTreeMap<&str, usize> = BTreeMap::new();
    for body in Body::ALL {
        let schema = body.object();
        for (pointer, limited) in fields(&schema, "") {
            for (at_limit, within) in probes(&limited) {
                // A country has a limit and is not any text.
                if within && pointer.ends_with("country") {
                    continue;
                }
                let whole = example_with(body, &pointer, at_limit.clone());
                let result = read(body, &whole.to_string());
                if within {
                    assert_eq!(result, Ok(()), "{body:?} {pointer} = {at_limit}");
                } else {
                    let refused =
                        result.expect_err(&format!("{body:?} {pointer} = {at_limit} is accepted"));
                    let named = refused
                        .iter()
                        .any(|name| !name.is_empty() && pointer.starts_with(name.as_str()));
                    assert!(
                        named,
                        "{body:?} {pointer} = {at_limit} is refused as {refused:?}"
                    );
                }
                *checked.entry(body.name()).or_default() += 1;
            }
        }
    }
    assert!(
        checked.len() == Body::ALL.len() && checked.values().all(|count| *count > 1),
        "{checked:?}"
    );
}

/// Sets one field at a time to a text without a visible character, which counts as absent where the
/// schema allows it.
#[test]
fn document_and_readers_accept_the_same_blank_texts() {
    let document = document();
    let (mut accepted, mut refused) = (0, 0);
    for body in Body::ALL {
        let schema = body.object();
        let compiled = schema::compile(&document, &schema);
        for (pointer, _) in fields(&schema, "") {
            // The function `start` requires the address of an order and reads the quote.
            let is_order = matches!(body, Body::Order | Body::PartialOrder);
            if is_order && ["/address", "/shipping_address", "/quote"].contains(&pointer.as_str()) {
                continue;
            }
            let is_optional =
                read(body, &example_with(body, &pointer, json!(null)).to_string()).is_ok();
            for blank in [
                "", " \t", "\u{84}", "\u{85}", "\u{200b}", "\u{202e}", "\u{2800}",
            ] {
                let whole = example_with(body, &pointer, json!(blank));
                let result = read(body, &whole.to_string());
                if compiled.is_valid(&whole) {
                    assert!(
                        result.is_ok() || !is_optional,
                        "{body:?} {pointer} = {blank:?} is refused"
                    );
                    accepted += 1;
                } else {
                    assert!(
                        result.is_err(),
                        "{body:?} {pointer} = {blank:?} is accepted"
                    );
                    refused += 1;
                }
            }
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted}, {refused}");
}

/// Returns the fields of an object schema with their pointers, including those of nested objects
/// and of list elements.
fn fields(schema: &Value, at: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let pointer = format!("{at}/{name}");
        found.push((pointer.clone(), field.clone()));
        for nested in field["anyOf"].as_array().into_iter().flatten() {
            found.extend(fields(nested, &pointer));
            found.push((pointer.clone(), nested.clone()));
        }
        found.extend(fields(&field["items"], &format!("{pointer}/0")));
    }
    found
}

/// Returns values at a schema's limits and beyond them, each with its validity.
fn probes(schema: &Value) -> Vec<(Value, bool)> {
    let mut probes = Vec::new();
    if let Some(longest) = schema["maxLength"].as_u64() {
        let email = schema["pattern"]
            .as_str()
            .is_some_and(|pattern| pattern.contains('@'));
        let text = |length: u64| {
            if email {
                // A local part has at most 64 characters, and a label of a host 63.
                let host: String = (65..length)
                    .map(|index| if index % 61 == 0 { '.' } else { 'x' })
                    .collect();
                format!("{}@{host}", "x".repeat(64))
            } else {
                "x".repeat(length as usize)
            }
        };
        probes.push((json!(text(longest)), true));
        probes.push((json!(text(longest + 1)), false));
    }
    if let (Some(least), Some(most)) = (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        for (number, within) in [(least, true), (most, true), (most + 1, false)] {
            probes.push((json!(number), within));
            probes.push((json!(number.to_string()), within));
        }
        probes.push((json!(i64::try_from(least).unwrap() - 1), false));
    } else if let Some(least) = schema["minimum"].as_u64() {
        probes.push((json!(least + 1), true));
        probes.push((json!(-1), false));
    }
    if schema["exclusiveMinimum"] == 0 {
        probes.extend([
            (json!(0), false),
            (json!("0.00"), false),
            (json!(0.01), true),
        ]);
    }
    if let Some(most) = schema["maxItems"].as_u64() {
        let fields = &schema["items"]["properties"];
        let element = |number: u64| match (fields.get("sku"), fields.get("unit_price")) {
            (Some(_), Some(_)) => json!({"sku": "A", "quantity": 1, "unit_price": 1}),
            // A change or a refund names each SKU once.
            (Some(_), None) => json!({"sku": format!("S-{number}"), "quantity": 1}),
            (None, _) => json!({"amount": 0}),
        };
        for (length, within) in [(1, true), (most, true), (most + 1, false)] {
            let elements: Vec<_> = (0..length).map(element).collect();
            probes.push((json!(elements), within));
        }
    }
    probes
}

/// Returns the smallest valid body with this field, without other names of the same field.
fn example_with(body: Body, pointer: &str, value: Value) -> Value {
    let mut whole = match body {
        Body::Order | Body::PartialOrder => json!({
            "items": [{"sku": "A", "quantity": 1, "unit_price": 1}], "shipping_address": {"street": "1 Main St"},
        }),
        Body::Payment => json!({"transaction_id": "t", "amount": 1}),
        Body::Refund if pointer.starts_with("/items") => {
            json!({"items": [{"sku": "A", "quantity": 1}]})
        }
        Body::Refund if pointer == "/restock" => json!({"items": [{"sku": "A", "quantity": 1}]}),
        Body::Refund if pointer == "/amount" || pointer == "/shipping_amount" => json!({}),
        Body::Refund => json!({"amount": 1}),
        Body::Stock if pointer == "/adjust" => json!({"reason": "r"}),
        Body::Stock if pointer == "/available" => json!({}),
        Body::Stock => json!({"available": 1}),
        Body::Endpoint => json!({"url": "https://shop.example"}),
        Body::Approval
        | Body::Rejection
        | Body::Cancellation
        | Body::PaymentCancellation
        | Body::Address
        | Body::Delivery
        | Body::Hold
        | Body::Release
        | Body::ReturnNote
        | Body::Notes
        | Body::EndpointChange => json!({}),
        Body::ReturnReceipt if !pointer.starts_with("/items") => json!({}),
        Body::Items | Body::Return | Body::ReturnReceipt => {
            json!({"items": [{"sku": "A", "quantity": 1}]})
        }
    };
    let segments: Vec<_> = pointer[1..].split('/').collect();
    let same: &[&[&str]] = &[
        &["sku", "product_id"],
        &["quantity", "qty"],
        &["unit_price", "price"],
        &["shipping_address", "address"],
    ];
    if let Some(line) = whole
        .pointer_mut("/items/0")
        .filter(|_| segments[0] == "items" && segments.len() > 1)
    {
        for names in same
            .iter()
            .filter(|names| names.contains(segments.last().unwrap()))
        {
            names
                .iter()
                .for_each(|name| drop(line.as_object_mut().unwrap().remove(*name)));
        }
        line[*segments.last().unwrap()] = value;
        return whole;
    }
    let address = segments[0] == "address"
        || segments[0] == "shipping_address"
        || segments[0].starts_with("shipping_");
    if address && matches!(body, Body::Order | Body::PartialOrder) {
        whole.as_object_mut().unwrap().remove("shipping_address");
        if segments[0].starts_with("shipping_") && segments[0] != "shipping_address" {
            whole["shipping_address"] = json!("1 Main St");
        } else if segments.len() > 1 {
            whole[segments[0]] = json!({"street": "1 Main St"});
        }
    }
    if segments[0] == "billing_address" && segments.len() > 1 {
        whole["billing_address"] = json!({"street": "1 Main St"});
    }
    if segments.len() > 2 {
        whole[segments[0]] = json!([{"amount": 0}]);
        whole[segments[0]][0][segments[2]] = value;
        return whole;
    }
    let mut place = &mut whole;
    for segment in &segments {
        place = &mut place[*segment];
    }
    *place = value;
    whole
}

impl Body {
    /// Returns the schema of the object form, where a body may be a plain text too.
    fn object(self) -> Value {
        let schema = crate::requests::schemas()[self.name()].clone();
        let object = schema["anyOf"].as_array().and_then(|any| {
            any.iter()
                .find(|schema| schema["type"] == "object")
                .cloned()
        });
        object.unwrap_or(schema)
    }
}

fn operations(document: &Value) -> Vec<&Value> {
    document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .collect()
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().map_or(value, |reference| {
        document.pointer(&reference[1..]).unwrap()
    })
}

fn walk(value: &Value, look: &mut impl FnMut(&Value)) {
    look(value);
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, look)),
        Value::Object(fields) => fields.values().for_each(|value| walk(value, look)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
