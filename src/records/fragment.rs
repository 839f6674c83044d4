//! Parts of a query on the records that are put together at run time.
//!
//! All of them are built of typed columns and bound values: diesel prepares such a query once a connection, where
//! it has PostgreSQL read and plan a text of `sql()` anew each time.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use diesel::{
    expression::{
        AppearsOnTable, Expression, SelectableExpression, TypedExpressionType, ValidGrouping, is_aggregate,
    },
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Bool, Text, Timestamptz, Untyped, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::db::schema::records;

/// An SQL condition on the table of records.
pub type Condition = Fragment<Bool>;

/// What records are sorted by.
pub type Order = Fragment<Untyped>;

/// SQL over the table of records. Diesel's own boxed expression cannot go to another thread; this one can.
pub struct Fragment<ST>(Box<dyn QueryFragment<Pg> + Send>, PhantomData<fn() -> ST>);

impl Condition {
    /// A condition on columns of `records`.
    pub fn new<E>(expression: E) -> Self
    where
        E: AppearsOnTable<records::table, SqlType = Bool> + QueryFragment<Pg> + Send + 'static,
    {
        Self(Box::new(expression), PhantomData)
    }

    /// Both.
    pub fn and<E>(self, other: E) -> Self
    where
        E: AppearsOnTable<records::table, SqlType = Bool> + QueryFragment<Pg> + Send + 'static,
    {
        Self::new(BoolExpressionMethods::and(self, other))
    }

    /// That all words of a `tsquery` occur.
    pub fn words(words: String) -> Self {
        let words = words.into_sql::<Text>();
        Self(Box::new(Around("records.search @@ to_tsquery('simple', ", words, ")")), PhantomData)
    }

    /// How a record compares with the moment and the id of another; `side` is the left one up to the other's opening
    /// bracket. A comparison of rows walks the index from there.
    pub fn compared(side: &'static str, (at, id): (DateTime<Utc>, Uuid)) -> Self {
        let mark = (at.into_sql::<Timestamptz>(), id.into_sql::<SqlUuid>());
        Self(Box::new(Around(side, mark, ")")), PhantomData)
    }
}

impl Order {
    /// An order by columns of `records`.
    pub fn by<E>(columns: E) -> Self
    where
        E: AppearsOnTable<records::table> + QueryFragment<Pg> + Send + 'static,
    {
        Self(Box::new(columns), PhantomData)
    }
}

impl<ST: TypedExpressionType> Expression for Fragment<ST> {
    type SqlType = ST;
}

/// It names columns of `records`: in a subquery or a join the outer query may be over anything.
impl<ST, Source> AppearsOnTable<Source> for Fragment<ST> where Self: Expression {}

impl<ST> SelectableExpression<records::table> for Fragment<ST> where Self: Expression {}

impl<ST> ValidGrouping<()> for Fragment<ST> {
    type IsAggregate = is_aggregate::No;
}

impl<ST> QueryId for Fragment<ST> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<ST> QueryFragment<Pg> for Fragment<ST> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }
}

/// Bound values between two texts of the program.
struct Around<E>(&'static str, E, &'static str);

impl<E: QueryFragment<Pg>> QueryFragment<Pg> for Around<E> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql(self.0);
        self.1.walk_ast(pass.reborrow())?;
        pass.push_sql(self.2);
        Ok(())
    }
}
