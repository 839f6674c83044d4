//! Parts of a query that are the same each time.

use std::sync::OnceLock;

use diesel::{
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping},
    pg::{Pg, PgQueryBuilder},
    prelude::*,
    query_builder::{AstPass, QueryBuilder, QueryFragment, QueryId},
};

/// A part without bound values, whose text is written once. Diesel writes a query anew each time it is asked, to find
/// the prepared one; the names of forty columns are most of that.
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
