use std::sync::LazyLock;

use ::ring::{
    rand::SystemRandom,
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use super::*;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

/// The published example key of RFC 7515, appendix A.2. ring cannot generate RSA keys.
static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    let part = |name: &str| {
        BASE64URL_NOPAD
            .decode(RFC_7515[name].as_str().unwrap().as_bytes())
            .unwrap()
    };
    let public_key = PublicKeyComponents {
        n: part("n"),
        e: part("e"),
    };
    let (d, p, q) = (part("d"), part("p"), part("q"));
    let components = KeyPairComponents {
        public_key,
        d,
        p,
        q,
        dP: part("dp"),
        dQ: part("dq"),
        qInv: part("qi"),
    };
    RsaKeyPair::from_components(&components).unwrap()
});

static RFC_7515: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("rfc7515-a2.json")).unwrap());

static ED: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
    let generated = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(generated.as_ref()).unwrap()
});

static EC: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let generated = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, generated.as_ref(), &random).unwrap()
});

fn jwks() -> String {
    let point = EC.public_key().as_ref();
    json!({"keys": [
        {"kty": "RSA", "kid": "rsa", "n": RFC_7515["n"], "e": RFC_7515["e"]},
        {"kty": "EC", "crv": "P-256", "kid": "ec", "x": encode(&point[1..33]), "y": encode(&point[33..])},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(ED.public_key())},
    ]})
    .to_string()
}

fn sign(algorithm: &str, message: &[u8]) -> Vec<u8> {
    match algorithm {
        "RS256" => {
            let mut signature = vec![0; RSA.public().modulus_len()];
            RSA.sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .unwrap();
            signature
        }
        "ES256" => EC
            .sign(&SystemRandom::new(), message)
            .unwrap()
            .as_ref()
            .to_vec(),
        "EdDSA" => ED.sign(message).as_ref().to_vec(),
        _ => Vec::new(),
    }
}

fn token(header: &Value, claims: &Value) -> String {
    let message = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let signature = sign(header["alg"].as_str().unwrap(), message.as_bytes());
    format!("{message}.{}", encode(signature))
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

fn claims() -> Value {
    json!({"iss": "https://issuer", "aud": "orders", "sub": "jane", "exp": now() + 60, "scope": "orders:read orders:write other"})
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn tokens(more: &[(&str, &str)]) -> TokenVerifier {
    let jwks = jwks();
    let mut pairs = vec![
        ("JWT_ISSUER", "https://issuer"),
        ("JWT_AUDIENCE", "orders"),
        ("JWT_JWKS", jwks.as_str()),
    ];
    pairs.extend(more);
    TokenVerifier::from_settings(&Environment::from_pairs(pairs)).unwrap()
}

async fn send(tokens: &TokenVerifier, value: &str) -> Result<Caller, AuthError> {
    let headers = [(header::AUTHORIZATION, value.parse().unwrap())]
        .into_iter()
        .collect();
    tokens.authenticate(&headers).await
}

async fn rejection(tokens: &TokenVerifier, header: Value, claims: &Value) -> &'static str {
    match send(tokens, &format!("Bearer {}", token(&header, claims))).await {
        Err(AuthError::Invalid(why)) => why,
        other => panic!("{other:?} for {header} {claims}"),
    }
}

fn ed() -> Value {
    json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"})
}

#[tokio::test]
async fn token_of_each_algorithm_is_accepted() {
    let tokens = tokens(&[]);
    for (algorithm, kid) in [("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        let token = token(&json!({"alg": algorithm, "kid": kid}), &claims());
        let caller = send(&tokens, &format!("bearer {token}")).await.unwrap();
        assert_eq!(
            (caller.name(), caller.customer()),
            ("token:jane", None),
            "{algorithm}"
        );
        assert!(
            caller.has_scope(Scope::Read)
                && caller.has_scope(Scope::Write)
                && !caller.has_scope(Scope::Operate),
            "{algorithm}"
        );
    }
}

#[tokio::test]
async fn algorithm_must_match_the_key() {
    let tokens = tokens(&[]);
    for algorithm in ["HS256", "HS512", "RS512", "PS256", "ES384"] {
        let why = rejection(&tokens, json!({"alg": algorithm, "kid": "rsa"}), &claims()).await;
        assert_eq!(why, UNSUPPORTED_ALGORITHM, "{algorithm}");
    }
    for algorithm in ["none", "None", "", "rs256"] {
        let why = rejection(&tokens, json!({"alg": algorithm, "kid": "rsa"}), &claims()).await;
        assert_eq!(why, MALFORMED, "{algorithm}");
    }
    // A signature that is valid for one key, with the id of another key.
    for (algorithm, kid) in [
        ("EdDSA", "rsa"),
        ("RS256", "ed"),
        ("ES256", "ed"),
        ("EdDSA", "unknown"),
    ] {
        let why = rejection(&tokens, json!({"alg": algorithm, "kid": kid}), &claims()).await;
        assert_eq!(why, "the token's key is unknown", "{algorithm} {kid}");
    }
    let only = self::tokens(&[("JWT_ALGORITHMS", "RS256")]);
    assert_eq!(
        rejection(&only, ed(), &claims()).await,
        UNSUPPORTED_ALGORITHM
    );
    assert_eq!(
        rejection(&tokens, json!({"alg": "EdDSA"}), &claims()).await,
        "the token has no key id"
    );
    assert_eq!(
        rejection(
            &tokens,
            json!({"alg": "EdDSA", "kid": "ed", "crit": ["x"]}),
            &claims()
        )
        .await,
        MALFORMED
    );
    assert_eq!(
        rejection(
            &tokens,
            json!({"alg": "EdDSA", "kid": "ed", "typ": "logout+jwt"}),
            &claims()
        )
        .await,
        "the token is of another type"
    );
}

#[tokio::test]
async fn claims_are_validated() {
    let tokens = tokens(&[]);
    let lacks = "the token lacks one of exp, iss, aud and sub";
    for (name, value, why) in [
        ("iss", json!("https://other"), WRONG_ISSUER),
        (
            "iss",
            json!(["https://issuer", "https://other"]),
            WRONG_ISSUER,
        ),
        ("aud", json!("others"), "the token is for another audience"),
        ("aud", json!([]), "the token is for another audience"),
        ("exp", json!(now() - 40), "the token has expired"),
        ("nbf", json!(now() + 40), "the token is not valid yet"),
        ("nbf", json!("tomorrow"), "the token has a malformed claim"),
        ("exp", json!("never"), lacks),
        ("exp", Value::Null, lacks),
        ("iss", Value::Null, lacks),
        ("aud", Value::Null, lacks),
        ("sub", Value::Null, lacks),
        ("sub", json!(""), "the token has no subject"),
        ("scope", json!(7), "the token has a malformed scope claim"),
        (
            "customer_id",
            json!(7),
            "the token has an invalid customer id",
        ),
        (
            "customer_id",
            Value::Null,
            "the token has an invalid customer id",
        ),
        (
            "customer_id",
            json!(""),
            "the token has an invalid customer id",
        ),
        (
            "customer_id",
            json!("two words"),
            "the token has an invalid customer id",
        ),
    ] {
        assert_eq!(
            rejection(&tokens, ed(), &changed(name, value.clone())).await,
            why,
            "{name}: {value}"
        );
    }
    // The leeway covers different clocks.
    for (name, value) in [("exp", now() - 20), ("nbf", now() + 20)] {
        let token = token(&ed(), &changed(name, json!(value)));
        assert!(
            send(&tokens, &format!("Bearer {token}")).await.is_ok(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn forged_or_malformed_token_is_rejected() {
    let tokens = tokens(&[]);
    let good = token(&ed(), &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let other = encode(changed("scope", json!("orders:operate")).to_string());
    let forged = format!("Bearer {}.{other}.{}", parts[0], parts[2]);
    assert_eq!(
        send(&tokens, &forged).await,
        Err(AuthError::Invalid("the token has an invalid signature"))
    );
    let unsigned = format!("Bearer {}.{}.", parts[0], parts[1]);
    assert_eq!(
        send(&tokens, &unsigned).await,
        Err(AuthError::Invalid("the token has an invalid signature"))
    );
    for garbage in [
        "Bearer x",
        "Bearer a.b",
        "Bearer a.b.c",
        "Bearer a.b.c.d",
        "Bearer e30.e30.e30",
        "Bearer  ",
    ] {
        assert!(
            matches!(
                send(&tokens, garbage).await,
                Err(AuthError::Invalid(_) | AuthError::Missing)
            ),
            "{garbage}"
        );
    }
    let huge = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
    assert_eq!(
        send(&tokens, &huge).await,
        Err(AuthError::Invalid("the token is too large"))
    );
    for other in ["Basic dXNlcjpwYXNz", "Bearer"] {
        assert_eq!(
            send(&tokens, other).await,
            Err(AuthError::Missing),
            "{other}"
        );
    }
    assert_eq!(
        tokens.authenticate(&HeaderMap::new()).await,
        Err(AuthError::Missing)
    );
    let mut twice = HeaderMap::new();
    for _ in 0..2 {
        twice.append(
            header::AUTHORIZATION,
            format!("Bearer {good}").parse().unwrap(),
        );
    }
    assert_eq!(
        tokens.authenticate(&twice).await,
        Err(AuthError::Invalid("the header is repeated"))
    );
}

#[tokio::test]
async fn claims_set_customer_and_scopes() {
    let caller = async |tokens: &TokenVerifier, claims: &Value| {
        send(tokens, &format!("Bearer {}", token(&ed(), claims)))
            .await
            .unwrap()
    };
    let plain = tokens(&[]);
    let bound = caller(&plain, &changed("customer_id", json!("C-1"))).await;
    assert_eq!(bound.customer().map(CustomerId::as_str), Some("C-1"));
    let by_subject = caller(&tokens(&[("JWT_CUSTOMER_CLAIM", "sub")]), &claims()).await;
    assert_eq!(by_subject.customer().map(CustomerId::as_str), Some("jane"));
    let mut listed = claims();
    listed.as_object_mut().unwrap().remove("scope");
    assert!(!caller(&plain, &listed).await.has_scope(Scope::Read));
    listed["scp"] = json!(["orders:operate", 7]);
    listed["aud"] = json!(["others", "orders"]);
    assert!(caller(&plain, &listed).await.has_scope(Scope::Operate));
}
