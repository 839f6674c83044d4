//! `COPY … TO STDOUT` for queries that diesel built.
//!
//! `COPY` takes no parameters, so what diesel would bind is written into the text as literals. The filter
//! of a list and that of an export are thereby one and the same expression.

use std::error::Error;

use diesel::{
    pg::{Pg, PgMetadataLookup, PgQueryBuilder, PgTypeMetadata},
    query_builder::{QueryBuilder, QueryFragment, bind_collector::RawBytesBindCollector},
};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::{escape::escape_literal, types};

use super::{DbError, DbResult};

/// The SQL of `fragment` with every bound value written into it as a literal.
///
/// # Errors
/// When a value is of a type that has no literal here: a fault of the program, not of its input.
pub fn literal_sql(fragment: &impl QueryFragment<Pg>) -> DbResult<String> {
    let mut builder = PgQueryBuilder::default();
    fragment.to_sql(&mut builder, &Pg)?;
    let mut binds = RawBytesBindCollector::<Pg>::new();
    fragment.collect_binds(&mut binds, &mut NoLookup, &Pg)?;

    let mut literals = Vec::with_capacity(binds.binds.len());
    for (bytes, metadata) in binds.binds.iter().zip(&binds.metadata) {
        let oid = metadata.oid().map_err(|_| DbError::Corrupt("a bound value without a type".into()))?;
        literals.push(match bytes {
            None => "NULL".to_owned(),
            Some(bytes) => literal(oid, bytes)
                .map_err(|error| DbError::Corrupt(format!("no literal for type {oid}: {error}")))?,
        });
    }
    Ok(replace_placeholders(&builder.finish(), &literals))
}

/// Puts `literals[n - 1]` in the place of `$n`. The text comes from diesel and holds no `$` of its own.
fn replace_placeholders(sql: &str, literals: &[String]) -> String {
    let mut out = String::with_capacity(sql.len() + literals.len() * 24);
    let mut rest = sql;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: usize = rest[..digits].parse().expect("diesel numbers its placeholders");
        out.push_str(&literals[number - 1]);
        rest = &rest[digits..];
    }
    out.push_str(rest);
    out
}

fn literal(oid: u32, bytes: &[u8]) -> Result<String, Box<dyn Error + Sync + Send>> {
    Ok(match oid {
        16 => types::bool_from_sql(bytes)?.to_string(),
        21 => format!("{}::int2", types::int2_from_sql(bytes)?),
        23 => format!("{}::int4", types::int4_from_sql(bytes)?),
        20 => format!("{}::int8", types::int8_from_sql(bytes)?),
        25 | 1043 => format!("{}::text", escape_literal(types::text_from_sql(bytes)?)),
        2950 => format!("'{}'::uuid", uuid::Uuid::from_bytes(types::uuid_from_sql(bytes)?)),
        1082 => format!("('2000-01-01'::date + {})", types::date_from_sql(bytes)?),
        1184 => format!(
            "('2000-01-01 00:00Z'::timestamptz + {} * interval '1 microsecond')",
            types::timestamp_from_sql(bytes)?
        ),
        1005 => array(bytes, 21, "int2")?,
        1007 => array(bytes, 23, "int4")?,
        1009 => array(bytes, 25, "text")?,
        2951 => array(bytes, 2950, "uuid")?,
        _ => return Err("not supported".into()),
    })
}

fn array(bytes: &[u8], element: u32, name: &str) -> Result<String, Box<dyn Error + Sync + Send>> {
    let values: Vec<String> = types::array_from_sql(bytes)?
        .values()
        .map(|value| value.map_or_else(|| Ok("NULL".to_owned()), |bytes| literal(element, bytes)))
        .collect()?;
    Ok(format!("ARRAY[{}]::{name}[]", values.join(", ")))
}

/// All types used in filters are built in, so none is ever looked up.
struct NoLookup;

impl PgMetadataLookup for NoLookup {
    fn lookup_type(&mut self, name: &str, _schema: Option<&str>) -> PgTypeMetadata {
        unreachable!("a filter uses the type {name}, which is not built in")
    }
}

#[cfg(test)]
mod tests {
    use diesel::{dsl::sql, prelude::*, sql_types::*};

    use super::*;

    #[test]
    fn values_become_literals() {
        let hostile = r"'; DROP TABLE records; -- \ $1";
        let expression = sql::<Bool>("a = ")
            .bind::<Text, _>(hostile)
            .sql(" AND b = ")
            .bind::<Integer, _>(-3)
            .sql(" AND c = ANY(")
            .bind::<Array<Text>, _>(vec!["x", "it's"])
            .sql(")");
        assert_eq!(
            literal_sql(&expression).unwrap(),
            r"a =  E'''; DROP TABLE records; -- \\ $1'::text AND b = -3::int4 AND c = ANY(ARRAY['x'::text, 'it''s'::text]::text[])"
        );
    }

    #[test]
    fn dates_and_ids_keep_their_value() {
        let id = uuid::Uuid::from_u128(7);
        let date = chrono::NaiveDate::from_ymd_opt(2000, 1, 11).unwrap();
        let expression = date.into_sql::<Date>().is_not_null().and(id.into_sql::<Uuid>().is_not_null());
        let text = literal_sql(&expression).unwrap();
        assert!(text.contains("('2000-01-01'::date + 10)"), "{text}");
        assert!(text.contains("'00000000-0000-0000-0000-000000000007'::uuid"), "{text}");
    }
}
