//! The fields of a JSON object that a client sent.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use shared::json::{self, Flaw};

use crate::error::{ApiError, Result, Wanted};

/// The fields of a JSON object, each as the client sent it.
#[derive(Debug)]
pub(crate) struct Fields(pub(super) BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// Parses a JSON object. If a field is repeated, the last one counts.
    pub fn parse(body: &[u8]) -> Result<Self> {
        // Everything that is forwarded, stored and shown has the same bounds.
        if json::is_too_deep(body) {
            return Err(ApiError::TooDeep);
        }
        let fields: Self = serde_json::from_slice(body).map(Self).map_err(|error| {
            if error.is_data() {
                return ApiError::NotAnObject;
            }
            ApiError::BrokenJson {
                line: error.line(),
                column: error.column(),
            }
        })?;
        for (name, value) in &fields.0 {
            let flaw = json::flaw(value.get().as_bytes());
            let flaw = flaw.or_else(|| name.contains('\0').then_some(Flaw::Nul));
            let wanted = match flaw {
                Some(Flaw::Nul) => Wanted::TextWithoutNul,
                Some(Flaw::Surrogate) => Wanted::TextWithoutSurrogates,
                None => continue,
            };
            return Err(ApiError::Field(
                name.replace('\0', "\\u0000").into(),
                wanted,
            ));
        }
        Ok(fields)
    }

    /// Whether the field is there, and neither null nor a blank text.
    pub(super) fn holds(&self, name: &str) -> bool {
        let is_blank = |text: String| text.trim().is_empty();
        match self.0.get(name).map(|raw| raw.get()) {
            None | Some("null") => false,
            Some(json) => !serde_json::from_str(json).is_ok_and(is_blank),
        }
    }

    /// The text of a field; `None` if it is absent, null or blank.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        let text = self.optional::<String>(name, Wanted::Text)?;
        Ok(text.filter(|text| !text.trim().is_empty()))
    }

    /// The fields of a required object.
    pub fn object(&self, name: &'static str) -> Result<Self> {
        let fields = self.optional::<BTreeMap<String, Box<RawValue>>>(name, Wanted::Object)?;
        fields
            .map(Self)
            .ok_or(ApiError::Field(name.into(), Wanted::Object))
    }

    /// The strings of a required array field.
    pub fn strings(&self, name: &'static str) -> Result<Vec<String>> {
        self.optional(name, Wanted::Strings)?
            .ok_or(ApiError::Field(name.into(), Wanted::Strings))
    }

    /// The value of a field; `None` if it is absent or null.
    pub(super) fn optional<'a, T: Deserialize<'a>>(
        &'a self,
        name: &str,
        wanted: Wanted,
    ) -> Result<Option<T>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(raw) => serde_json::from_str(raw.get())
                .map_err(|_| ApiError::Field(name.to_owned().into(), wanted)),
        }
    }

    /// Sets a field to a text.
    pub(super) fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let raw = to_raw_value(text).map_err(|error| unwritable(&error))?;
        self.0.insert(name.to_owned(), raw);
        Ok(())
    }

    /// The object as JSON.
    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(&self.0).map_err(|error| unwritable(&error))
    }
}

/// Cannot happen: strings, and values parsed from JSON, can be written as JSON.
fn unwritable(error: &serde_json::Error) -> ApiError {
    tracing::error!(%error, "a request could not be written as JSON");
    ApiError::Internal
}
