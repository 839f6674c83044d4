//! Parts of a query that are the same each time.

use std::sync::OnceLock;

use diesel::{
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping},
    pg::{Pg, PgQueryBuilder},
    prelude::*,
    query_builder::{AstPass, QueryBuilder, QueryFragment, QueryId},
};

/// A part without bound values, whose text is written once. Diesel writes a query anew each time it is asked, to find
/// the prepared one; the names of twenty columns and their tables are most of that.
pub struct Rendered<E> {
    part: E,
    text: &'static OnceLock<String>,
}

impl<E> Rendered<E> {
    /// `text` belongs to this one part of the program.
    pub fn new(part: E, text: &'static OnceLock<String>) -> Self {
        Self { part, text }
    }
}

impl<E: Expression> Expression for Rendered<E> {
    type SqlType = E::SqlType;
}

impl<E: AppearsOnTable<Source>, Source> AppearsOnTable<Source> for Rendered<E> {}

impl<E: SelectableExpression<Source>, Source> SelectableExpression<Source> for Rendered<E> {}

impl<E: ValidGrouping<By>, By> ValidGrouping<By> for Rendered<E> {
    type IsAggregate = E::IsAggregate;
}

impl<E: QueryId> QueryId for Rendered<E> {
    type QueryId = E::QueryId;
    const HAS_STATIC_QUERY_ID: bool = E::HAS_STATIC_QUERY_ID;
}

impl<E: QueryFragment<Pg>> QueryFragment<Pg> for Rendered<E> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let text = match self.text.get() {
            Some(text) => text,
            None => {
                let mut builder = PgQueryBuilder::new();
                self.part.to_sql(&mut builder, &Pg)?;
                self.text.get_or_init(|| builder.finish())
            }
        };
        pass.push_sql(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::copy::literal_sql, db::schema::records};

    #[test]
    fn it_is_what_diesel_would_write_each_time() {
        static TEXT: OnceLock<String> = OnceLock::new();
        let columns = (records::id, records::description);
        let plain = records::table.select(columns).filter(records::version.eq(2));
        for _ in 0..2 {
            let rendered = Rendered::new(columns, &TEXT);
            let rendered = records::table.select(rendered).filter(records::version.eq(2));
            assert_eq!(literal_sql(&rendered).unwrap(), literal_sql(&plain).unwrap());
        }
        assert_eq!(TEXT.get().unwrap(), r#""records"."id", "records"."description""#);
    }
}
