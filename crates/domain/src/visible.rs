//! Characters that a reader of a text does not see.

/// The ranges of characters without a shape: controls, white space, format characters, fillers, and
/// the variation selectors. Each range includes its last character.
pub const INVISIBLE: &[(char, char)] = &[
    ('\u{0}', ' '),
    ('\u{7f}', '\u{a0}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{2000}', '\u{200f}'),
    ('\u{2028}', '\u{202f}'),
    ('\u{205f}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// The characters that set the direction of the following text (bidirectional embeddings and
/// overrides). They can make a line show its characters in another order.
pub const DIRECTION_OVERRIDES: (char, char) = ('\u{202a}', '\u{202e}');

/// Returns whether a text has a character that a reader sees.
pub fn has_visible_character(text: &str) -> bool {
    let invisible = |c: char| {
        INVISIBLE
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&c))
    };
    !text.chars().all(invisible)
}

/// Returns whether a text can change the order in which its line is shown.
pub fn overrides_direction(text: &str) -> bool {
    text.chars().any(is_direction_override)
}

/// Returns the text without characters that can change the order in which its line is shown.
pub fn without_direction_overrides(text: &str) -> String {
    text.replace(is_direction_override, "")
}

fn is_direction_override(c: char) -> bool {
    let (first, last) = DIRECTION_OVERRIDES;
    (first..=last).contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_invisible_characters_is_blank() {
        for blank in [
            "",
            " ",
            "\u{200b}",
            "\u{feff}\u{2060}\t",
            "\u{3164}",
            "\u{2800}",
            "\u{ad}",
        ] {
            assert!(!has_visible_character(blank), "{blank:?}");
        }
        for filled in ["a", " -\u{200b}", "商", "👩\u{200d}🚀", "\u{5d0}"] {
            assert!(has_visible_character(filled), "{filled:?}");
        }
    }

    #[test]
    fn ranges_are_ascending() {
        assert!(INVISIBLE.iter().all(|(first, last)| first <= last));
        assert!(INVISIBLE.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn overrides_are_found_and_marks_of_direction_are_not() {
        assert!(overrides_direction("USD 10.00 \u{202e}evil"));
        // Arabic and Hebrew texts have these marks.
        let hebrew = "\u{200f}שלום\u{200e}";
        assert!(!overrides_direction(hebrew));
        assert_eq!(without_direction_overrides(hebrew), hebrew);
        assert_eq!(without_direction_overrides("\u{202a}a\u{202e}b"), "ab");
    }
}
