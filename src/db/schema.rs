//! The tables, as the migrations make them.

diesel::table! {
    elections (id) { id -> Int2, slug -> Text, kind -> Text, held_on -> Date, name_kk -> Text, name_ru -> Text, name_en -> Text, }
}
diesel::table! {
    regions (id) {
        id -> Int2, slug -> Text, code -> Text, kind -> Text, name_kk -> Text, name_ru -> Text, name_en -> Text,
        time_zone -> Text, valid_from -> Nullable<Date>, valid_to -> Nullable<Date>,
    }
}
diesel::table! {
    cities (id) {
        id -> Int4, slug -> Text, name_kk -> Text, name_ru -> Text, name_en -> Text, time_zone -> Text,
        latitude -> Double, longitude -> Double,
    }
}
diesel::table! {
    city_regions (city_id, region_id) { city_id -> Int4, region_id -> Int2, valid_from -> Date, valid_to -> Date, }
}
diesel::table! {
    place_aliases (alias) { alias -> Text, region_id -> Nullable<Int2>, city_id -> Nullable<Int4>, }
}
diesel::table! {
    polling_stations (election_id, region_id, number) {
        election_id -> Int2, region_id -> Int2, number -> Text, city_id -> Nullable<Int4>, address -> Nullable<Text>,
    }
}
diesel::table! {
    /// A view: those that published tables list, and those that only records name.
    stations (election_id, region_id, number) {
        election_id -> Int2, region_id -> Int2, number -> Text, city_id -> Nullable<Int4>, address -> Nullable<Text>, origin -> Text,
    }
}
diesel::table! {
    /// A view: the stations that published tables list.
    registry (election_id, region_id, number) { election_id -> Int2, region_id -> Int2, number -> Text, }
}
diesel::table! {
    users (id) {
        id -> Uuid, email -> Nullable<Text>, name -> Text, role -> Text, password_hash -> Nullable<Text>,
        disabled_at -> Nullable<Timestamptz>, created_at -> Timestamptz, handle -> Nullable<Text>,
    }
}
diesel::table! {
    user_regions (user_id, region_id) { user_id -> Uuid, region_id -> Int2, }
}
diesel::table! {
    sessions (id) {
        id -> Uuid, user_id -> Uuid, created_at -> Timestamptz, revoked_at -> Nullable<Timestamptz>,
        label -> Nullable<Text>, last_used_at -> Timestamptz,
    }
}
diesel::table! {
    refresh_tokens (digest) {
        digest -> Bytea, session_id -> Uuid, expires_at -> Timestamptz, used_at -> Nullable<Timestamptz>,
        replaced -> Bool,
    }
}
diesel::table! {
    sources (id) {
        id -> Int4, slug -> Text, title -> Text, publisher -> Nullable<Text>, language -> Text,
        published_on -> Nullable<Date>, url -> Nullable<Text>, created_at -> Timestamptz,
    }
}
diesel::table! {
    claims (id) {
        id -> Uuid, election_id -> Int2, topic -> Text, claimant -> Text, value -> Nullable<Double>, value_is -> Text,
        unit -> Nullable<Text>, stated_on -> Nullable<Date>, text_kk -> Text, text_ru -> Text, text_en -> Text,
        disputes -> Nullable<Uuid>, source_id -> Int4, passage -> Nullable<Int4>, created_at -> Timestamptz,
    }
}
diesel::table! {
    events (id) {
        id -> Uuid, election_id -> Int2, starts_on -> Date, ends_on -> Nullable<Date>, precision -> Text,
        text_kk -> Text, text_ru -> Text, text_en -> Text, source_id -> Int4, passage -> Nullable<Int4>,
        created_at -> Timestamptz,
    }
}
diesel::table! {
    event_cities (event_id, city_id) { event_id -> Uuid, city_id -> Int4, }
}
diesel::table! {
    // `search` is made by the database and only ever used in filters.
    records (election_id, id) {
        election_id -> Int2, id -> Uuid, kind -> Text, region_id -> Nullable<Int2>, city_id -> Nullable<Int4>,
        polling_station -> Nullable<Text>, occurred_at -> Timestamptz, time_precision -> Text, local_date -> Date,
        category -> Text, severity -> Nullable<Text>, people -> Int4, description -> Text, status -> Text,
        duplicate_of -> Nullable<Uuid>, version -> Int4, reporter_id -> Uuid, received_at -> Timestamptz,
        updated_at -> Timestamptz, submitted_hash -> Bytea, source_id -> Nullable<Int4>, passage -> Nullable<Int4>,
    }
}
diesel::table! {
    violations (election_id, record_id) {
        election_id -> Int2, record_id -> Uuid, stage -> Text, people_involved -> Nullable<Text>,
    }
}
diesel::table! {
    protocols (election_id, record_id) {
        election_id -> Int2, record_id -> Uuid, voters_on_list -> Nullable<Int4>, ballots_received -> Nullable<Int4>,
        issued_in_station -> Nullable<Int4>, issued_mobile -> Nullable<Int4>, spoiled -> Nullable<Int4>,
        unused -> Nullable<Int4>, found_in_boxes -> Nullable<Int4>, invalid -> Nullable<Int4>,
        signed -> Nullable<Bool>, stamped -> Nullable<Bool>, votes -> Jsonb, against_all -> Nullable<Int4>,
        copy_number -> Nullable<Int4>, signatures -> Nullable<Int4>, commission_size -> Nullable<Int4>,
        handed_out_at -> Nullable<Timestamptz>, failed_checks -> Array<Text>,
    }
}
diesel::table! {
    detentions (election_id, record_id) {
        election_id -> Int2, record_id -> Uuid, people -> Nullable<Int4>, detained_by -> Text, custody -> Text,
        arrest_days -> Nullable<Int4>, custody_since -> Nullable<Timestamptz>, custody_source -> Nullable<Text>, held_at -> Nullable<Text>, stated_ground -> Nullable<Text>,
        relatives_told -> Nullable<Bool>, lawyer_admitted -> Nullable<Bool>, person_commitment -> Nullable<Text>,
    }
}
diesel::table! {
    record_versions (election_id, record_id, version) {
        election_id -> Int2, record_id -> Uuid, version -> Int4, action -> Text, status -> Text, actor_id -> Uuid,
        at -> Timestamptz, note -> Nullable<Text>, content -> Nullable<Jsonb>, content_hash -> Nullable<Bytea>,
        duplicate_of -> Nullable<Uuid>, salt -> Nullable<Bytea>, commitment -> Nullable<Bytea>,
    }
}
diesel::table! {
    // Has no key in the database; diesel wants one named.
    count_deltas (election_id, kind) {
        election_id -> Int2, kind -> Text, region_id -> Int2, city_id -> Int4, day -> Date, category -> Text,
        status -> Text, severity -> Text, n -> Int4, people -> Int4,
    }
}
diesel::table! {
    // Has no key in the database; diesel wants one named.
    ledger_queue (commitment) { commitment -> Bytea, }
}
diesel::table! {
    ledger_leaves (idx) { idx -> Int8, commitment -> Bytea, }
}
diesel::table! {
    ledger_tiles (level, idx) { level -> Int2, idx -> Int8, hashes -> Bytea, }
}
diesel::table! {
    ledger_checkpoints (size, note) { size -> Int8, note -> Text, at -> Timestamptz, }
}
diesel::table! {
    recipients (id) {
        id -> Uuid, public_key -> Text, label -> Text, added_by -> Nullable<Uuid>, added_at -> Timestamptz,
        retired_at -> Nullable<Timestamptz>,
    }
}
diesel::table! {
    sealed_persons (election_id, record_id) {
        election_id -> Int2, record_id -> Uuid, armour -> Text, tokens -> Array<Bytea>, sealed_to -> Array<Text>,
        sealed_at -> Timestamptz,
    }
}
diesel::table! {
    sealed_reads (id) {
        id -> Int8, at -> Timestamptz, reader_id -> Uuid, action -> Text, subject -> Text,
        subject_id -> Nullable<Uuid>, reason -> Nullable<Text>,
    }
}
diesel::table! {
    enquiries (id) {
        id -> Uuid, election_id -> Int2, region_id -> Nullable<Int2>, city_id -> Nullable<Int4>, language -> Text,
        armour -> Text, tokens -> Array<Bytea>, recipient -> Text, asked_at -> Timestamptz, status -> Text,
        answered_at -> Nullable<Timestamptz>, answered_by -> Nullable<Uuid>, answer -> Nullable<Text>,
        detention_id -> Nullable<Uuid>,
    }
}
diesel::table! {
    blobs (sha256) {
        sha256 -> Bytea, size -> Int8, media_type -> Text, object_key -> Text, scrub -> Jsonb, created_at -> Timestamptz,
    }
}
diesel::table! {
    evidence (id) {
        id -> Uuid, election_id -> Int2, record_id -> Uuid, sha256 -> Bytea, filename -> Nullable<Text>,
        uploader_id -> Uuid, at -> Timestamptz, salt -> Bytea, commitment -> Bytea,
    }
}
diesel::table! {
    uploads (id) {
        id -> Uuid, owner_id -> Uuid, record_id -> Nullable<Uuid>, concat -> Nullable<Text>, partials -> Array<Uuid>,
        length -> Int8, received -> Int8, hash_state -> Nullable<Bytea>, filename -> Nullable<Text>,
        created_at -> Timestamptz, expires_at -> Timestamptz, evidence_id -> Nullable<Uuid>,
    }
}
diesel::table! {
    upload_parts (upload_id, start) { upload_id -> Uuid, start -> Int8, length -> Int8, object_key -> Text, }
}
diesel::table! {
    second_factors (user_id) { user_id -> Uuid, secret -> Bytea, confirmed_at -> Nullable<Timestamptz>, last_step -> Int8, }
}
diesel::table! {
    recovery_codes (digest) { digest -> Bytea, user_id -> Uuid, }
}
diesel::table! {
    invitations (id) {
        id -> Uuid, digest -> Bytea, role -> Text, regions -> Array<Int2>, invited_by -> Uuid, created_at -> Timestamptz,
        expires_at -> Timestamptz, used_by -> Nullable<Uuid>, revoked_at -> Nullable<Timestamptz>,
    }
}
diesel::table! {
    candidates (election_id, number) {
        election_id -> Int2, number -> Int2, name_kk -> Text, name_ru -> Text, name_en -> Text, source_id -> Nullable<Int4>,
    }
}
diesel::table! {
    sheet_readings (id) { id -> Uuid, evidence_id -> Uuid, reader_id -> Uuid, figures -> Jsonb, at -> Timestamptz, }
}
diesel::table! {
    result_sets (id) {
        id -> Int2, election_id -> Int2, label -> Text, candidates -> Array<Text>, source_id -> Nullable<Int4>,
        imported_at -> Timestamptz, stations -> Int4,
    }
}
diesel::table! {
    samples (id) {
        id -> Uuid, election_id -> Int2, label -> Text, seed -> Text, margin -> Double, confidence -> Double,
        by_region -> Bool, drawn_at -> Timestamptz,
    }
}
diesel::table! {
    sample_strata (sample_id, region_id) { sample_id -> Uuid, region_id -> Int2, population -> Int4, size -> Int4, }
}
diesel::table! {
    sample_stations (sample_id, region_id, station) { sample_id -> Uuid, stratum -> Int2, region_id -> Int2, station -> Text, }
}
diesel::allow_tables_to_appear_in_same_query!(evidence, blobs, sheet_readings);
diesel::allow_tables_to_appear_in_same_query!(
    records,
    violations,
    protocols,
    detentions,
    record_versions,
    sealed_persons,
    second_factors,
    users,
    sessions,
    user_regions,
    refresh_tokens,
    claims,
    events,
    sources,
);
