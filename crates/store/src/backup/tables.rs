//! The list of tables, in an order in which they can be filled.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use crate::{Error, error::SqlxResultExt};

/// A table, with names quoted for SQL.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// The identity columns.
    pub(super) counters: Vec<String>,
}

/// Lists all tables except the table of migrations. A table comes after the tables that it
/// references.
pub(super) async fn list_tables(connection: &mut PgConnection) -> Result<Vec<Table>, Error> {
    let tables = sqlx::query_as!(
        Table,
        r#"select format('%I.%I', nspname, relname) as "name!",
             array(select quote_ident(attname) from pg_attribute where attrelid = pg_class.oid and attnum > 0
                 and not attisdropped and attgenerated = '' order by attnum) as "columns!",
             array(select quote_ident(attname) from pg_attribute where attrelid = pg_class.oid and attnum > 0
                 and not attisdropped and attidentity <> '' order by attnum) as "counters!"
         from pg_class join pg_namespace on pg_namespace.oid = relnamespace
         where relkind = 'r' and nspname <> 'information_schema' and nspname not like 'pg\_%' and relname <> '_sqlx_migrations'
         order by 1"#
    );
    let tables = tables
        .fetch_all(&mut *connection)
        .await
        .for_operation("list the tables")?;
    let references = sqlx::query!(
        r#"select format('%I.%I', holder_schema.nspname, holder.relname) as "holder!",
             format('%I.%I', target_schema.nspname, target.relname) as "target!"
         from pg_constraint
         join pg_class as holder on holder.oid = conrelid
         join pg_namespace as holder_schema on holder_schema.oid = holder.relnamespace
         join pg_class as target on target.oid = confrelid
         join pg_namespace as target_schema on target_schema.oid = target.relnamespace
         where contype = 'f' and conrelid <> confrelid"#
    );
    let references = references
        .fetch_all(connection)
        .await
        .for_operation("list the foreign keys")?;
    let references: Vec<_> = references
        .into_iter()
        .map(|row| (row.holder, row.target))
        .collect();
    Ok(sort_tables(tables, &references))
}

fn sort_tables(mut waiting: Vec<Table>, references: &[(String, String)]) -> Vec<Table> {
    let (mut sorted, mut names) = (Vec::with_capacity(waiting.len()), BTreeSet::new());
    while !waiting.is_empty() {
        let needs_nothing = |table: &Table| {
            references
                .iter()
                .filter(|(holder, _)| *holder == table.name)
                .all(|(_, target)| names.contains(target))
        };
        // Tables that reference each other have no valid order. The schema has none, and a restore
        // of them would fail.
        let next = waiting.iter().position(needs_nothing).unwrap_or_default();
        let table = waiting.remove(next);
        names.insert(table.name.clone());
        sorted.push(table);
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referenced_table_comes_first() {
        let table = |name: &str| Table {
            name: name.to_owned(),
            columns: Vec::new(),
            counters: Vec::new(),
        };
        let references = [("events", "orders"), ("held", "stock"), ("held", "orders")];
        let references: Vec<_> = references
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        let sorted = sort_tables(
            ["events", "held", "orders", "stock"].map(table).to_vec(),
            &references,
        );
        let names: Vec<_> = sorted.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["orders", "events", "stock", "held"]);
    }
}
