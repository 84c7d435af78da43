//! Countries, by their codes and names.

/// Returns the ISO 3166 alpha-2 code of a country that is written as a two-letter or three-letter
/// code, or as a name in English or in the country's own language.
pub fn country_code(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if let Some(country) = iso3166::Country::from_alpha2_ignore_case(text)
        .or_else(|| iso3166::Country::from_alpha3_ignore_case(text))
    {
        return Some(country.data().alpha2);
    }
    let name = comparable(text);
    if name.is_empty() {
        return None;
    }
    iso3166::LIST
        .iter()
        .map(|country| country.data())
        .find(|data| comparable(data.name) == name)
        .map(|data| data.alpha2)
        .or_else(|| other_name(&name))
}

/// Returns the English name of the country with this alpha-2 code.
pub fn country_name(code: &str) -> Option<&'static str> {
    match code {
        "AQ" => Some("Antarctica"),
        "GB" => Some("United Kingdom"),
        "US" => Some("United States"),
        "XK" => Some("Kosovo"),
        code => iso3166::Country::from_alpha2(code).map(|country| country.data().name),
    }
}

/// Returns the words of a name without case, punctuation and small words: `Bosnia & Herzegovina` and
/// `bosnia and herzegovina` are equal.
fn comparable(name: &str) -> String {
    let name = name.to_lowercase();
    let words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !matches!(*word, "" | "the" | "of" | "and"))
        .map(|word| if word == "st" { "saint" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Names that people write and that the list of ISO 3166 does not have, as [`comparable`] returns
/// them. A name that two countries share, such as `Korea`, is not here.
fn other_name(name: &str) -> Option<&'static str> {
    let code = match name {
        "uae" => "AE",
        // The list has every country but this one.
        "aq" | "ata" | "antarctica" => "AQ",
        "österreich" | "oesterreich" => "AT",
        "bosnia herzegovina" => "BA",
        "belgië" | "belgique" | "belgien" => "BE",
        "saint barthelemy" => "BL",
        "bolivia plurinational state" => "BO",
        "bonaire sint eustatius saba" => "BQ",
        "brasil" => "BR",
        "brunei darussalam" => "BN",
        "democratic republic congo" | "congo democratic republic" | "dr congo" | "drc" => "CD",
        "republic congo" => "CG",
        "schweiz" | "suisse" | "svizzera" => "CH",
        "ivory coast" | "cote d ivoire" | "cote divoire" => "CI",
        "people s republic china" | "mainland china" | "中国" => "CN",
        "cabo verde" | "cape verde" => "CV",
        "curacao" => "CW",
        "czech republic" | "česko" | "cesko" => "CZ",
        "deutschland" => "DE",
        "danmark" => "DK",
        "españa" | "espana" => "ES",
        "suomi" => "FI",
        "falkland islands malvinas" => "FK",
        "micronesia federated states" => "FM",
        "england"
        | "great britain"
        | "united kingdom"
        | "northern ireland"
        | "scotland"
        | "uk"
        | "wales"
        | "united kingdom great britain northern ireland" => "GB",
        "hong kong" => "HK",
        "heard island mcdonald islands" => "HM",
        "magyarország" | "magyarorszag" => "HU",
        "iran islamic republic" => "IR",
        "republic ireland" | "éire" => "IE",
        "ísland" => "IS",
        "italia" => "IT",
        "日本" => "JP",
        "republic korea" | "korea republic" | "korea south" => "KR",
        "democratic people s republic korea"
        | "korea democratic people s republic"
        | "korea north" => "KP",
        "lao people s democratic republic" => "LA",
        "moldova republic" | "republic moldova" => "MD",
        "saint martin french part" => "MF",
        "macedonia" | "republic north macedonia" => "MK",
        "burma" | "myanmar" => "MM",
        "macao" | "macau" => "MO",
        "méxico" => "MX",
        "holland" | "nederland" | "netherlands kingdom" => "NL",
        "norge" => "NO",
        "polska" => "PL",
        "pitcairn" => "PN",
        "palestine" | "palestine state" | "state palestine" => "PS",
        "reunion" => "RE",
        "russian federation" => "RU",
        "sverige" => "SE",
        "saint helena ascension tristan da cunha" => "SH",
        "sao tome principe" => "ST",
        "sint maarten dutch part" => "SX",
        "syrian arab republic" => "SY",
        "swaziland" => "SZ",
        "republic china taiwan" | "taiwan province china" => "TW",
        "tanzania united republic" | "united republic tanzania" => "TZ",
        "east timor" => "TL",
        "turkiye" | "türkiye" | "turkey" => "TR",
        "united states" | "united states america" | "u s" | "u s a" | "america" => "US",
        "united states minor outlying islands" => "UM",
        "holy see" | "vatican" => "VA",
        "venezuela bolivarian republic" => "VE",
        "british virgin islands" | "virgin islands british" => "VG",
        "us virgin islands" | "virgin islands u s" => "VI",
        "viet nam" => "VN",
        // Not in ISO 3166; this code is in use for it.
        "xk" | "xkx" | "kosovo" => "XK",
        _ => return None,
    };
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_have_one_spelling() {
        for (text, code) in [
            ("US", "US"),
            ("us", "US"),
            (" usa ", "US"),
            ("U.S.", "US"),
            ("U.S.A.", "US"),
            ("United States", "US"),
            ("The United States of America", "US"),
            ("UK", "GB"),
            ("Gbr", "GB"),
            ("United Kingdom", "GB"),
            ("South Korea", "KR"),
            ("Korea, Republic of", "KR"),
            ("Bosnia and Herzegovina", "BA"),
            ("St. Lucia", "LC"),
            ("Samoa", "WS"),
            ("American Samoa", "AS"),
            ("Türkiye", "TR"),
            ("Turkey", "TR"),
            ("Côte d’Ivoire", "CI"),
            ("Cote d'Ivoire", "CI"),
            ("Deutschland", "DE"),
            ("Hong Kong", "HK"),
            ("Macau", "MO"),
            ("Czech Republic", "CZ"),
            ("Czechia", "CZ"),
            ("Vatican City", "VA"),
            ("Kosovo", "XK"),
            ("Antarctica", "AQ"),
            ("The Netherlands", "NL"),
        ] {
            assert_eq!(country_code(text), Some(code), "{text}");
        }
    }

    #[test]
    fn every_country_is_known_by_code_and_name() {
        for country in iso3166::LIST {
            let data = country.data();
            for text in [data.alpha2, data.alpha3, data.name] {
                assert_eq!(country_code(text), Some(data.alpha2), "{text}");
            }
            let name = country_name(data.alpha2).unwrap();
            assert_eq!(country_code(name), Some(data.alpha2), "{name}");
        }
    }

    #[test]
    fn unknown_and_ambiguous_countries_have_no_code() {
        for text in [
            "", " ", "Narnia", "Korea", "Congo", "EU", "ZZ", "AAA", "..", "1",
        ] {
            assert_eq!(country_code(text), None, "{text:?}");
        }
    }
}
