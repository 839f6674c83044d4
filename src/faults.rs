//! What is wrong with an input: every fault at once, each with its place.

/// One fault: where (RFC 6901 JSON pointer, or `?name` for a query parameter), which, and the words that
/// the message needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub pointer: String,
    /// Stable code; the message of it is `fault-<code>` in `i18n/`.
    pub code: &'static str,
    pub args: Vec<(&'static str, String)>,
}

/// Collects faults while an input is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault, unless one is already known of the same place.
    pub fn add(&mut self, pointer: impl Into<String>, code: &'static str) {
        self.add_with(pointer, code, Vec::new());
    }

    /// As [`Faults::add`], with words for the message.
    pub fn add_with(
        &mut self,
        pointer: impl Into<String>,
        code: &'static str,
        args: Vec<(&'static str, String)>,
    ) {
        let pointer = pointer.into();
        if !self.0.iter().any(|fault| fault.pointer == pointer) {
            self.0.push(Fault { pointer, code, args });
        }
    }

    /// Parses a word of a vocabulary, or adds a fault that lists the words there are.
    pub fn word<T: std::str::FromStr + strum::VariantNames>(
        &mut self,
        pointer: &str,
        word: Option<&str>,
    ) -> Option<T> {
        let word = word?;
        word.parse().ok().or_else(|| {
            self.add_with(pointer, "not_one_of", vec![("words", T::VARIANTS.join(", "))]);
            None
        })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_vec(self) -> Vec<Fault> {
        self.0
    }

    /// The value if nothing was wrong.
    ///
    /// # Errors
    /// The faults. A missing value without a fault is a fault of the program.
    pub fn check<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}
