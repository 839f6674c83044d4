//! Texts for people in Kazakh, Russian and English; the files lie in `i18n/`.

use std::{borrow::Cow, collections::HashMap};

use fluent_templates::{Loader, fluent_bundle::FluentValue, static_loader};
use unic_langid::{LanguageIdentifier, langid};

static_loader! {
    static TEXTS = { locales: "./i18n", fallback_language: "en", customise: |bundle| bundle.set_use_isolating(false) };
}

/// A language that the service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    Kazakh,
    Russian,
    #[default]
    English,
}

impl std::str::FromStr for Language {
    type Err = ();

    /// Reads an ISO 639-1 code.
    fn from_str(code: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|language| language.code() == code).ok_or(())
    }
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Kazakh, Self::Russian, Self::English];

    /// ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Kazakh => "kk",
            Self::Russian => "ru",
            Self::English => "en",
        }
    }

    /// The language liked best of an `Accept-Language` header (RFC 9110); English where none fits.
    pub fn negotiate(header: &str) -> Self {
        let mut liked: Vec<(f32, Self)> = header
            .split(',')
            .filter_map(|item| {
                let (tag, q) = item.split_once(";q=").unwrap_or((item, "1"));
                let primary = tag.trim().split('-').next()?.to_ascii_lowercase();
                let language = Self::ALL.into_iter().find(|language| language.code() == primary)?;
                Some((q.trim().parse().ok()?, language))
            })
            .collect();
        liked.sort_by(|a, b| b.0.total_cmp(&a.0));
        liked.first().map(|(_, language)| *language).unwrap_or_default()
    }

    /// The text `key` in this language.
    pub fn text(self, key: &str, args: &[(&'static str, String)]) -> String {
        let args: HashMap<Cow<'static, str>, FluentValue> =
            args.iter().map(|(name, value)| (Cow::Borrowed(*name), value.as_str().into())).collect();
        TEXTS.lookup_with_args(&self.id(), key, &args)
    }

    fn id(self) -> LanguageIdentifier {
        match self {
            Self::Kazakh => langid!("kk"),
            Self::Russian => langid!("ru"),
            Self::English => langid!("en"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_liked_language_is_chosen() {
        assert_eq!(Language::negotiate("kk-KZ,ru;q=0.8"), Language::Kazakh);
        assert_eq!(Language::negotiate("de, ru;q=0.3, en;q=0.5"), Language::English);
        assert_eq!(Language::negotiate("fr"), Language::English);
        assert_eq!(Language::negotiate(""), Language::English);
    }

    fn keys(language: &str, file: &str) -> std::collections::BTreeSet<String> {
        let text = std::fs::read_to_string(format!("i18n/{language}/{file}")).unwrap();
        text.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn all_languages_have_the_same_texts() {
        for file in ["messages.ftl", "words.ftl", "forensics.ftl", "report.ftl", "web.ftl"] {
            let english = keys("en", file);
            assert!(english.len() > 20);
            assert_eq!(english, keys("ru", file), "{file}");
            assert_eq!(english, keys("kk", file), "{file}");
        }
    }

    /// Those with a part that is computed are seen by the tests in a browser.
    #[test]
    fn every_text_that_the_pages_ask_for_is_there() {
        let known: std::collections::BTreeSet<String> =
            ["web.ftl", "words.ftl", "forensics.ftl"].into_iter().flat_map(|file| keys("en", file)).collect();
        let mut folders = vec![std::path::PathBuf::from("web/src")];
        let mut asked = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                for (at, _) in text.match_indices("t(\"") {
                    let called = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '.');
                    if called {
                        let key = text[at + 3..].split('"').next().unwrap();
                        assert!(known.contains(key), "{}: {key}", path.display());
                        asked += 1;
                    }
                }
            }
        }
        assert!(asked > 100, "{asked}");
    }

    #[test]
    fn every_word_of_the_vocabularies_has_a_text() {
        use strum::VariantNames;

        use crate::{detentions::domain as detentions, protocols, records, violations::domain as violations};
        let known = keys("en", "words.ftl");
        for (prefix, words) in [
            ("kind", records::RecordKind::VARIANTS),
            ("status", records::Status::VARIANTS),
            ("severity", records::Severity::VARIANTS),
            ("category", violations::Category::VARIANTS),
            ("stage", violations::Stage::VARIANTS),
            ("circumstance", detentions::Circumstance::VARIANTS),
            ("agency", detentions::Agency::VARIANTS),
            ("custody", detentions::Custody::VARIANTS),
            ("copy", protocols::domain::CopyHolder::VARIANTS),
            ("figure", &protocols::figures::NUMBERS),
        ] {
            for word in words {
                assert!(known.contains(&format!("{prefix}-{word}")), "{prefix}-{word}");
            }
        }
    }
}
