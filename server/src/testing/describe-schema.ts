/** The schema as text, from the catalog: pg_dump does not come with the npm package's PostgreSQL. */
import type pg from "pg";

export async function describeSchema(pool: pg.Pool): Promise<string> {
  const { rows: columns } = await pool.query<{ table: string; column: string }>(`
    select c.relname as table,
      format('  %s %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then ' not null' else '' end,
        case when a.attidentity = 'a' then ' generated always as identity'
             when d.adbin is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid) else '' end) as column
    from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind = 'r' and c.relname not like 'kysely%' order by c.relname, a.attnum`);
  const { rows: constraints } = await pool.query<{ table: string; text: string }>(`
    select conrelid::regclass::text as table, format('  constraint %s %s', conname, pg_get_constraintdef(oid)) as text
    from pg_constraint where connamespace = 'public'::regnamespace and contype in ('p', 'u', 'f', 'c')
      and conrelid::regclass::text not like 'kysely%' order by 1, conname`);
  const { rows: indexes } = await pool.query<{ table: string; text: string }>(`
    select tablename as table, indexdef as text from pg_indexes
    where schemaname = 'public' and tablename not like 'kysely%'
      and indexname not in (select conname from pg_constraint) order by tablename, indexname`);
  const { rows: others } = await pool.query<{ text: string }>(`
    select pg_get_functiondef(p.oid) as text from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
    union all select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal order by text`);
  const tables = [...new Set(columns.map(({ table }) => table))];
  const of = <T extends { readonly table: string }>(rows: readonly T[], name: string) =>
    rows.filter(({ table }) => table === name);
  const texts = tables.map((name) => {
    const lines = [...of(columns, name).map(({ column }) => column), ...of(constraints, name).map(({ text }) => text)];
    const after = of(indexes, name).map(({ text }) => `${text.replace(" public.", " ")};\n`);
    return `create table ${name} (\n${lines.join(",\n")}\n);\n${after.join("")}`;
  });
  const all = [...texts, ...others.map(({ text }) => `${text.trimEnd()};\n`)];
  return `-- Written by db/migrate.db.test.ts from the migrations: never edited by hand.\n\n${all.join("\n")}`;
}
