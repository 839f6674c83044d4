//! Inserting any number of rows by one prepared statement.

use diesel::sql_types::{Array, SingleValue};

#[diesel::declare_sql_function]
extern "SQL" {
    fn unnest<T: SingleValue>(values: Array<T>) -> T;
}

/// `INSERT INTO table (a, b) SELECT unnest($1), unnest($2)`: PostgreSQL plans it once, where `VALUES` of another
/// length is another statement. Takes the table, its rows and the columns with their types.
macro_rules! insert_many {
    ($table:ident, $rows:expr, { $($column:ident: $type:ty),* $(,)? }) => {{
        #[allow(clippy::wildcard_imports, reason = "the columns' types are named as diesel names them")]
        use diesel::sql_types::*;
        let rows = $rows;
        diesel::select(($($crate::db::bulk::unnest::<$type, _>(
            rows.iter().map(|row| &row.$column).collect::<Vec<_>>(),
        ),)*))
        .insert_into($table::table)
        .into_columns(($($table::$column,)*))
    }};
}
pub(crate) use insert_many;
