//! Reads JSON bodies so that every fault is told at once.

use std::{
    any::TypeId,
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, LazyLock, RwLock},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING},
    web::{Bytes, BytesMut},
};
use futures_util::{StreamExt, future::LocalBoxFuture};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::{
    PartialSchema,
    openapi::{RefOr, Schema},
};
use validator::{Validate, ValidationErrors, ValidationErrorsKind};

use super::problem::{Kind, Problem};
use crate::faults::Faults;

/// The most that one JSON body may weigh.
pub const LIMIT: usize = 256 * 1024;
/// The time a body may take to arrive; a phone on a failing network sends a record in less.
pub const ARRIVAL: Duration = Duration::from_secs(30);
/// Past this many faults the rest is not looked for.
const MOST_FAULTS: usize = 64;

/// A JSON body of any shape, as bytes within the limits.
pub struct RawJson(pub Bytes);

impl FromRequest for RawJson {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_type(request, &["application/json", "application/merge-patch+json"])
            .and_then(|()| check_length(request));
        let payload = payload.take();
        Box::pin(async move {
            checked?;
            collect(payload).await.map(Self)
        })
    }
}

/// A JSON body read into `T` and validated.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Validate + PartialSchema + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let raw = RawJson::from_request(request, payload);
        Box::pin(async move {
            let (value, mut faults) = parse(&raw.await?.0)?;
            let read = read::<T>(&value, &[], &mut faults);
            Ok(Self(faults.check(read)?))
        })
    }
}

/// As [`Json`], where the whole body may be left out.
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned + Validate + PartialSchema + 'static> FromRequest for OptionalJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0")
            && !headers.contains_key(TRANSFER_ENCODING);
        if empty {
            return Box::pin(std::future::ready(Ok(Self(None))));
        }
        let json = Json::from_request(request, payload);
        Box::pin(async move { Ok(Self(Some(json.await?.0))) })
    }
}

/// Refuses other content types and compressed bodies (415).
pub fn check_type(request: &HttpRequest, accepted: &[&str]) -> Result<(), Problem> {
    let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let encoded = request.headers().get(CONTENT_ENCODING).is_some_and(|value| value != "identity");
    if !accepted.contains(&essence.as_str()) || encoded {
        return Err(Problem::new(Kind::MediaType));
    }
    Ok(())
}

/// Refuses a body that is announced as too large before any of it is sent (413).
fn check_length(request: &HttpRequest) -> Result<(), Problem> {
    let said =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > LIMIT as u64) {
        return Err(Problem::new(Kind::TooLarge));
    }
    Ok(())
}

async fn collect(mut payload: Payload) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    let arrival = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Problem::new(Kind::Malformed))?;
            if body.len() + chunk.len() > LIMIT {
                return Err(Problem::new(Kind::TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    tokio::time::timeout(ARRIVAL, arrival).await.map_err(|_| Problem::new(Kind::Timeout))??;
    Ok(body.freeze())
}

/// Parses one JSON object; text that holds NUL, which PostgreSQL cannot store, is a fault.
pub fn parse(bytes: &[u8]) -> Result<(Value, Faults), Problem> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Problem::new(Kind::Malformed))?;
    if !value.is_object() {
        return Err(Problem::new(Kind::Malformed));
    }
    let mut faults = Faults::default();
    if memchr::memmem::find(bytes, b"\\u0000").is_some() {
        find_nul(&value, &mut String::new(), &mut faults);
    }
    Ok((value, faults))
}

fn find_nul(value: &Value, at: &mut String, faults: &mut Faults) {
    let mut inside = |step: &str, value: &Value, faults: &mut Faults| {
        let length = at.len();
        at.push('/');
        at.push_str(&escape(step));
        find_nul(value, at, faults);
        at.truncate(length);
    };
    match value {
        Value::String(text) if text.contains('\0') => faults.add(at.clone(), "nul_character"),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| inside(&i.to_string(), item, faults))
        }
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            if name.contains('\0') {
                faults.add("", "nul_character");
            }
            inside(name, field, faults);
        }),
        _ => {}
    }
}

/// Reads `value` into `T`, whose fields are all optional, adding every fault of type, unknown field and
/// rule. `also` names fields that somebody else reads from the same object.
pub fn read<T: DeserializeOwned + Validate + PartialSchema + 'static>(
    value: &Value,
    also: &[String],
    faults: &mut Faults,
) -> Option<T> {
    let known = fields::<T>();
    if let Value::Object(object) = value {
        for name in object.keys().filter(|name| !known.contains(name) && !also.contains(name)) {
            faults.add(format!("/{}", escape(name)), "unknown_field");
        }
    }
    let mut mended = Cow::Borrowed(value);
    for _ in 0..MOST_FAULTS {
        match serde_path_to_error::deserialize::<_, T>(mended.as_ref()) {
            Ok(read) => {
                if let Err(errors) = read.validate() {
                    add_rules(&errors, "", faults);
                }
                return Some(read);
            }
            Err(error) => {
                let pointer = pointer(error.path());
                let problem = error.inner().to_string();
                faults.add_with(pointer.clone(), "wrong_type", vec![("problem", problem)]);
                // Without the value at fault the rest can still be looked at.
                match mended.to_mut().pointer_mut(&pointer) {
                    Some(at_fault) if !pointer.is_empty() && !at_fault.is_null() => *at_fault = Value::Null,
                    _ => return None,
                }
            }
        }
    }
    None
}

/// The names of the fields of `T`, from the same schema that the OpenAPI document shows.
pub fn fields<T: PartialSchema + 'static>() -> Arc<[String]> {
    static KNOWN: LazyLock<RwLock<HashMap<TypeId, Arc<[String]>>>> = LazyLock::new(Default::default);
    let key = TypeId::of::<T>();
    if let Some(fields) = KNOWN.read().expect("not poisoned").get(&key) {
        return fields.clone();
    }
    let fields: Arc<[String]> = match T::schema() {
        RefOr::T(Schema::Object(object)) => object.properties.keys().cloned().collect(),
        _ => Arc::new([]),
    };
    KNOWN.write().expect("not poisoned").insert(key, fields.clone());
    fields
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", escape(key)),
            Segment::Enum { variant } => format!("/{}", escape(variant)),
            Segment::Unknown => String::new(),
        })
        .collect()
}

fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn add_rules(errors: &ValidationErrors, at: &str, faults: &mut Faults) {
    // In one order, whatever the map has.
    let mut fields: Vec<_> = errors.errors().iter().collect();
    fields.sort_unstable_by_key(|(field, _)| (*field).clone());
    for (field, kind) in fields {
        let pointer = format!("{at}/{field}");
        match kind {
            ValidationErrorsKind::Field(errors) => {
                for error in errors {
                    let arg = |name: &'static str| {
                        (name, error.params.get(name).map_or_else(|| "0".to_owned(), ToString::to_string))
                    };
                    match error.code.as_ref() {
                        "length" => faults.add_with(&pointer, "length", vec![arg("min"), arg("max")]),
                        "range" => faults.add_with(&pointer, "range", vec![arg("min"), arg("max")]),
                        "email" => faults.add(&pointer, "not_an_email"),
                        "required" => faults.add(&pointer, "required"),
                        "guessable" => faults.add(&pointer, "guessable"),
                        _ => faults.add(&pointer, "not_allowed_here"),
                    }
                }
            }
            ValidationErrorsKind::Struct(inner) => add_rules(inner, &pointer, faults),
            ValidationErrorsKind::List(items) => {
                items.iter().for_each(|(i, inner)| add_rules(inner, &format!("{pointer}/{i}"), faults));
            }
        }
    }
}
