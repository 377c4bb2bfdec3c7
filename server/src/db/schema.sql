-- Written by db/migrate.db.test.ts from the migrations: never edited by hand.

create table api_keys (
  id text not null,
  org_id text not null,
  name text not null,
  hash bytea not null,
  prefix text not null,
  scopes text[] not null,
  create_time timestamp(3) with time zone not null default clock_timestamp(),
  revoke_time timestamp(3) with time zone,
  constraint api_keys_hash_key UNIQUE (hash),
  constraint api_keys_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(id),
  constraint api_keys_pkey PRIMARY KEY (id)
);
CREATE INDEX api_keys_by_org ON api_keys USING btree (org_id, create_time DESC, id DESC);

create table event_log (
  only_row boolean not null default true,
  last_position bigint not null default 0,
  forgotten_position bigint not null default 0,
  constraint event_log_only_row_check CHECK (only_row),
  constraint event_log_pkey PRIMARY KEY (only_row)
);

create table events (
  id bigint not null generated always as identity,
  org_id text not null,
  sandbox_id text not null,
  kind text not null,
  epoch bigint not null,
  data jsonb not null,
  time timestamp(3) with time zone not null default clock_timestamp(),
  position bigint,
  constraint events_pkey PRIMARY KEY (id)
);
CREATE INDEX events_by_org ON events USING btree (org_id, "position");
CREATE UNIQUE INDEX events_by_position ON events USING btree ("position");
CREATE INDEX events_by_sandbox ON events USING btree (sandbox_id, "position");
CREATE INDEX events_by_time ON events USING brin ("time");
CREATE INDEX events_unplaced ON events USING btree (id) WHERE ("position" IS NULL);

create table host_loads (
  host_id text not null,
  vcpus_offered integer not null,
  memory_offered_mib bigint not null,
  vm_overhead_mib integer not null,
  sandboxes integer not null default 0,
  vms integer not null default 0,
  vcpus integer not null default 0,
  memory_mib bigint not null default 0,
  disk_mib bigint not null default 0,
  free_share double precision not null default LEAST(((((memory_offered_mib - memory_mib) - (vms * vm_overhead_mib)))::double precision / (GREATEST(memory_offered_mib, (1)::bigint))::double precision), (((vcpus_offered - vcpus))::double precision / (GREATEST(vcpus_offered, 1))::double precision)),
  constraint host_loads_host_id_fkey FOREIGN KEY (host_id) REFERENCES hosts(id) ON DELETE CASCADE,
  constraint host_loads_pkey PRIMARY KEY (host_id)
);
CREATE INDEX host_loads_by_free_share ON host_loads USING btree (free_share DESC, host_id);

create table hosts (
  id text not null,
  state text not null,
  architecture text not null,
  driver text not null,
  hardware_isolated boolean not null,
  vcpus integer not null,
  memory_mib bigint not null,
  disk_free_mib bigint not null,
  templates jsonb not null,
  version text not null,
  instance_id text not null,
  seen_time timestamp(3) with time zone not null default clock_timestamp(),
  vm_overhead_mib integer not null default 0,
  edge_url text not null default ''::text,
  draining boolean not null default false,
  cpu_class text not null default ''::text,
  memory_shared boolean not null default false,
  disk_shared boolean not null default false,
  template_disks jsonb not null default '{}'::jsonb,
  url text not null default ''::text,
  tls_name text not null default ''::text,
  certificate_claim_until timestamp(3) with time zone,
  lease_until timestamp(3) with time zone,
  obstacle_reason text,
  obstacle_message text,
  constraint hosts_pkey PRIMARY KEY (id),
  constraint hosts_state_check CHECK ((state = ANY (ARRAY['ready'::text, 'unreachable'::text])))
);

create table idempotency (
  org_id text not null,
  rpc text not null,
  key text not null,
  request_digest bytea not null,
  result_id text not null,
  create_time timestamp(3) with time zone not null default clock_timestamp(),
  constraint idempotency_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(id),
  constraint idempotency_pkey PRIMARY KEY (org_id, rpc, key)
);
CREATE INDEX idempotency_by_time ON idempotency USING btree (create_time);

create table join_tokens (
  hash bytea not null,
  host_id text not null,
  expire_time timestamp(3) with time zone not null,
  used_host_id text,
  used_key_digest bytea,
  used_tls_name text,
  constraint join_tokens_pkey PRIMARY KEY (hash)
);

create table organizations (
  id text not null,
  name text not null,
  create_time timestamp(3) with time zone not null default clock_timestamp(),
  max_sandboxes integer,
  max_vcpus integer,
  max_memory_mib integer,
  constraint organizations_pkey PRIMARY KEY (id)
);

create table platform_keys (
  only_row boolean not null default true,
  sealed bytea not null,
  constraint platform_keys_only_row_check CHECK (only_row),
  constraint platform_keys_pkey PRIMARY KEY (only_row)
);

create table pool_demand (
  pool_id text not null,
  time timestamp(3) with time zone not null,
  hit boolean not null,
  constraint pool_demand_pool_id_fkey FOREIGN KEY (pool_id) REFERENCES pools(id) ON DELETE CASCADE
);
CREATE INDEX pool_demand_by_pool ON pool_demand USING btree (pool_id, "time");

create table pools (
  id text not null,
  template text not null,
  vcpus integer not null,
  memory_mib integer not null,
  disk_mib integer not null,
  min_ready integer not null,
  max_ready integer not null,
  demand_window_ms bigint not null,
  hits bigint not null default 0,
  misses bigint not null default 0,
  fill_after timestamp(3) with time zone not null default clock_timestamp(),
  constraint pools_pkey PRIMARY KEY (id),
  constraint pools_template_vcpus_memory_mib_disk_mib_key UNIQUE (template, vcpus, memory_mib, disk_mib)
);

create table sandboxes (
  id text not null,
  org_id text,
  state text not null,
  epoch bigint not null,
  template text not null,
  vcpus integer not null,
  memory_mib integer not null,
  disk_mib integer not null,
  metadata jsonb not null,
  env jsonb,
  host_id text,
  hardware_isolated boolean not null,
  keyed boolean not null,
  token_generation integer not null default 1,
  failure_reason text,
  failure_message text,
  claim_until timestamp(3) with time zone,
  create_time timestamp(3) with time zone not null default clock_timestamp(),
  state_time timestamp(3) with time zone not null default clock_timestamp(),
  public_ports integer[] not null default '{}'::integer[],
  access_version integer not null default 1,
  access_told integer not null default 1,
  memory_kept boolean not null default false,
  timeout_ms bigint,
  end_time timestamp(3) with time zone,
  on_timeout text not null default 'pause'::text,
  idle_timeout_ms bigint,
  auto_resume boolean not null default false,
  lifecycle_version integer not null default 1,
  lifecycle_told integer not null default 1,
  parent_id text,
  snapshot_id text,
  fork_id text,
  pool_id text,
  template_digest text,
  roll_back_to text,
  purge_time timestamp(3) with time zone,
  transfer text,
  transfer_host_id text,
  transfer_resume boolean not null default false,
  transfer_epoch bigint not null default 0,
  transfer_claim_until timestamp(3) with time zone,
  constraint sandboxes_fork_id_fkey FOREIGN KEY (fork_id) REFERENCES snapshots(id),
  constraint sandboxes_host_id_fkey FOREIGN KEY (host_id) REFERENCES hosts(id),
  constraint sandboxes_on_timeout_check CHECK ((on_timeout = ANY (ARRAY['pause'::text, 'delete'::text]))),
  constraint sandboxes_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(id),
  constraint sandboxes_owner_check CHECK (((org_id IS NOT NULL) OR (state = ANY (ARRAY['filling'::text, 'pooled'::text, 'deleting'::text])))),
  constraint sandboxes_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES sandboxes(id),
  constraint sandboxes_pkey PRIMARY KEY (id),
  constraint sandboxes_roll_back_to_fkey FOREIGN KEY (roll_back_to) REFERENCES snapshots(id),
  constraint sandboxes_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id),
  constraint sandboxes_state_check CHECK ((state = ANY (ARRAY['filling'::text, 'pooled'::text, 'creating'::text, 'running'::text, 'pausing'::text, 'paused'::text, 'archiving'::text, 'archived'::text, 'resuming'::text, 'lost'::text, 'failed'::text, 'deleting'::text, 'deleted'::text]))),
  constraint sandboxes_transfer_check CHECK ((transfer = ANY (ARRAY['copying'::text, 'landing'::text, 'resuming'::text]))),
  constraint sandboxes_transfer_host_id_fkey FOREIGN KEY (transfer_host_id) REFERENCES hosts(id)
);
CREATE INDEX sandboxes_by_fork ON sandboxes USING btree (fork_id) WHERE (fork_id IS NOT NULL);
CREATE INDEX sandboxes_by_host ON sandboxes USING btree (host_id) WHERE (state <> 'deleted'::text);
CREATE INDEX sandboxes_by_metadata ON sandboxes USING gin (metadata jsonb_path_ops) WHERE (state <> 'deleted'::text);
CREATE INDEX sandboxes_by_org ON sandboxes USING btree (org_id, create_time DESC, id DESC);
CREATE INDEX sandboxes_by_parent ON sandboxes USING btree (parent_id, create_time) WHERE (parent_id IS NOT NULL);
CREATE INDEX sandboxes_by_snapshot ON sandboxes USING btree (snapshot_id) WHERE (snapshot_id IS NOT NULL);
CREATE INDEX sandboxes_claimed ON sandboxes USING btree (claim_until) WHERE (state = ANY (ARRAY['filling'::text, 'creating'::text, 'pausing'::text, 'resuming'::text, 'deleting'::text]));
CREATE INDEX sandboxes_pooled ON sandboxes USING btree (pool_id, state_time) WHERE (state = ANY (ARRAY['filling'::text, 'pooled'::text]));
CREATE INDEX sandboxes_tombstones ON sandboxes USING btree (purge_time) WHERE ((state = 'deleted'::text) AND (host_id IS NOT NULL));
CREATE INDEX sandboxes_tombstones_by_host ON sandboxes USING btree (host_id) WHERE ((state = 'deleted'::text) AND (host_id IS NOT NULL));
CREATE INDEX sandboxes_transferred ON sandboxes USING btree (transfer_claim_until) WHERE (transfer IS NOT NULL);
CREATE INDEX sandboxes_untold ON sandboxes USING btree (host_id) WHERE ((access_told < access_version) OR (lifecycle_told < lifecycle_version));

create table snapshots (
  id text not null,
  org_id text not null,
  name text not null,
  sandbox_id text not null,
  sandbox_epoch bigint not null,
  host_id text,
  state text not null,
  internal boolean not null,
  keyed boolean not null,
  template text not null,
  vcpus integer not null,
  memory_mib integer not null,
  disk_mib integer not null,
  metadata jsonb not null,
  size_bytes bigint not null default 0,
  memory_kept boolean not null default false,
  claim_until timestamp(3) with time zone,
  create_time timestamp(3) with time zone not null default clock_timestamp(),
  template_name text,
  template_description text,
  transfer text,
  transfer_host_id text,
  transfer_claim_until timestamp(3) with time zone,
  constraint snapshots_host_id_fkey FOREIGN KEY (host_id) REFERENCES hosts(id),
  constraint snapshots_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(id),
  constraint snapshots_pkey PRIMARY KEY (id),
  constraint snapshots_sandbox_id_fkey FOREIGN KEY (sandbox_id) REFERENCES sandboxes(id),
  constraint snapshots_state_check CHECK ((state = ANY (ARRAY['creating'::text, 'ready'::text, 'deleting'::text, 'deleted'::text]))),
  constraint snapshots_transfer_check CHECK ((transfer = ANY (ARRAY['copying'::text, 'landing'::text]))),
  constraint snapshots_transfer_host_id_fkey FOREIGN KEY (transfer_host_id) REFERENCES hosts(id)
);
CREATE UNIQUE INDEX snapshots_being_taken ON snapshots USING btree (sandbox_id) WHERE (state = 'creating'::text);
CREATE INDEX snapshots_by_host ON snapshots USING btree (host_id) WHERE (state <> 'deleted'::text);
CREATE INDEX snapshots_by_org ON snapshots USING btree (org_id, create_time DESC, id DESC) WHERE (NOT internal);
CREATE INDEX snapshots_open ON snapshots USING btree (claim_until) WHERE ((state = ANY (ARRAY['creating'::text, 'deleting'::text])) OR internal OR (template_name IS NOT NULL));
CREATE INDEX snapshots_transferred ON snapshots USING btree (transfer_claim_until) WHERE (transfer IS NOT NULL);

create table templates (
  org_id text not null,
  name text not null,
  description text not null,
  snapshot_id text not null,
  create_time timestamp(3) with time zone not null default clock_timestamp(),
  constraint templates_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(id),
  constraint templates_pkey PRIMARY KEY (org_id, name),
  constraint templates_snapshot_id_fkey FOREIGN KEY (snapshot_id) REFERENCES snapshots(id)
);
CREATE INDEX templates_by_snapshot ON templates USING btree (snapshot_id);

create table transfer_failures (
  id text not null,
  failures integer not null,
  retry_time timestamp(3) with time zone not null,
  refused_by text[] not null,
  constraint transfer_failures_pkey PRIMARY KEY (id)
);

CREATE OR REPLACE FUNCTION public.copy_host_offer()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
    begin
      insert into host_loads (host_id, vcpus_offered, memory_offered_mib, vm_overhead_mib)
      values (new.id, new.vcpus, new.memory_mib, new.vm_overhead_mib)
      on conflict (host_id) do update set vcpus_offered = excluded.vcpus_offered,
        memory_offered_mib = excluded.memory_offered_mib, vm_overhead_mib = excluded.vm_overhead_mib;
      return null;
    end
  $function$;

CREATE OR REPLACE FUNCTION public.count_host_load()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
    begin
      update host_loads l set
        sandboxes = l.sandboxes + d.sandboxes, vms = l.vms + d.vms, vcpus = l.vcpus + d.vcpus,
        memory_mib = l.memory_mib + d.memory_mib, disk_mib = l.disk_mib + d.disk_mib
      from (
        select place.host_id as id,
          coalesce(sum(sign) filter (where is_there), 0) as sandboxes,
          coalesce(sum(sign) filter (where runs), 0) as vms,
          coalesce(sum(sign * (s).vcpus) filter (where runs), 0) as vcpus,
          coalesce(sum(sign * (s).memory_mib) filter (where runs), 0) as memory_mib,
          coalesce(sum(sign * place.disk_mib), 0) as disk_mib
        from (values (new, 1), (old, -1)) as change (s, sign),
        lateral (values
          ((s).host_id, true, holds_room((s).state) or (s).transfer_resume, case when
            (s).state = 'filling' or (s).state = 'creating' and (s).pool_id is null then (s).disk_mib else 0 end),
          (case when (s).transfer = 'copying' then (s).transfer_host_id end, false, (s).transfer_resume,
            (s).disk_mib + (s).memory_mib)
        ) as place (host_id, is_there, runs, disk_mib)
        where place.host_id is not null and (s).state <> 'deleted'
        group by place.host_id
      ) d
      where l.host_id = d.id and (d.sandboxes, d.vms, d.vcpus, d.memory_mib, d.disk_mib) <> (0, 0, 0, 0, 0);
      return null;
    end
  $function$;

CREATE OR REPLACE FUNCTION public.exceeded_quota(org text, more_sandboxes integer, more_vcpus integer, more_memory_mib integer)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
    declare
      most organizations;
      used record;
    begin
      select * into most from organizations
        where id = org and coalesce(max_sandboxes, max_vcpus, max_memory_mib) is not null
        for no key update;
      if not found then return null; end if;
      select count(*) as sandboxes,
          coalesce(sum(vcpus) filter (where holds_room), 0) as vcpus,
          coalesce(sum(memory_mib) filter (where holds_room), 0) as memory_mib
        into used
        from (select vcpus, memory_mib,
            transfer_resume or state not in ('paused', 'archiving', 'archived', 'failed') as holds_room
          from sandboxes where org_id = org and state <> 'deleted') existing;
      return (select jsonb_build_object('quota', q.quota, 'used', q.used, 'limit', q.most) from (values
          ('sandboxes', used.sandboxes, most.max_sandboxes, more_sandboxes),
          ('vcpus', used.vcpus, most.max_vcpus, more_vcpus),
          ('memory_mib', used.memory_mib, most.max_memory_mib, more_memory_mib)
        ) q (quota, used, most, more)
        where q.more > 0 and q.used + q.more > q.most limit 1);
    end $function$;

CREATE OR REPLACE FUNCTION public.holds_room(state text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    select state in ('filling', 'pooled', 'creating', 'running', 'pausing', 'resuming', 'lost', 'deleting')
  $function$;

CREATE TRIGGER copy_changed_host_offer AFTER UPDATE ON public.hosts FOR EACH ROW WHEN ((((old.vcpus IS DISTINCT FROM new.vcpus) OR (old.memory_mib IS DISTINCT FROM new.memory_mib)) OR (old.vm_overhead_mib IS DISTINCT FROM new.vm_overhead_mib))) EXECUTE FUNCTION copy_host_offer();

CREATE TRIGGER copy_host_offer AFTER INSERT ON public.hosts FOR EACH ROW EXECUTE FUNCTION copy_host_offer();

CREATE TRIGGER count_host_load AFTER INSERT OR DELETE OR UPDATE OF state, host_id, vcpus, memory_mib, disk_mib, transfer, transfer_host_id, transfer_resume ON public.sandboxes FOR EACH ROW EXECUTE FUNCTION count_host_load();
