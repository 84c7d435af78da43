//! The cryptography of tokens: the three accepted algorithms, by ring, which TLS uses anyway.
//! `docs/adr/0007-jsonwebtoken-with-ring.md` explains why `jsonwebtoken`'s own backends are not
//! used.

use ::ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature::{self, Verifier},
};

/// A provider that verifies signatures. It cannot sign.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(RingVerifier::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use this provider.
pub(super) fn install_provider() {
    // A second call fails, which is harmless because it would install the same provider.
    let _ = PROVIDER.install_default();
}

/// A verifier for one algorithm, with a key of its type.
struct RingVerifier {
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Rs256 { modulus: Vec<u8>, exponent: Vec<u8> },
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
}

impl RingVerifier {
    /// Rejects a key of another family, because the key determines the algorithm, not the token.
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        let require_family = |family| {
            if key.family() == family {
                Ok(())
            } else {
                Err(ErrorKind::InvalidKeyFormat)
            }
        };
        let key = if algorithm == Algorithm::RS256 {
            require_family(AlgorithmFamily::Rsa)?;
            let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else {
                return Err(ErrorKind::InvalidKeyFormat.into());
            };
            Key::Rs256 {
                modulus: n.clone(),
                exponent: e.clone(),
            }
        } else if algorithm == Algorithm::ES256 {
            require_family(AlgorithmFamily::Ec)?;
            Key::Es256(key.try_get_as_bytes()?.to_vec())
        } else if algorithm == Algorithm::EdDSA {
            require_family(AlgorithmFamily::Ed)?;
            Key::EdDsa(key.try_get_as_bytes()?.to_vec())
        } else {
            return Err(ErrorKind::UnsupportedAlgorithm.into());
        };
        Ok(Self { algorithm, key })
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match &self.key {
            // Rejects keys of less than 2048 bits.
            Key::Rs256 { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Key::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Key::EdDsa(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
