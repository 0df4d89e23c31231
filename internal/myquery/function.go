package myquery

import "strings"

// pure are the functions whose result depends on their arguments alone, on every
// server that has them. Names are in small letters, two of them as the parser spells them.
var pure = set(`
abs acos ascii asin atan atan2 bin bit_count bit_length ceil ceiling char char_func chr conv cos cot crc32 crc32c degrees exp floor hex ln log log10 log2
mod oct ord pi pow power radians round sign sin sqrt tan truncate unhex

case coalesce greatest if ifnull interval isnull least nullif nvl nvl2 strcmp

char_length character_length concat concat_ws convert elt export_set field find_in_set format from_base64 insert insert_func instr lcase left length
length_b locate lower lpad ltrim make_set mid natural_sort_key octet_length position quote regexp_instr regexp_like regexp_replace regexp_substr repeat
replace reverse right rpad rtrim sformat soundex space substr substring substring_index to_base64 trim ucase upper weight_string

adddate addtime convert_tz date date_add date_format date_sub datediff day dayofmonth dayofweek dayofyear extract from_days get_format hour last_day
makedate maketime microsecond minute month period_add period_diff quarter sec_to_time second str_to_date subdate subtime time time_format time_to_sec
timediff timestamp timestampadd timestampdiff to_days to_seconds week weekday weekofyear year yearweek

json_array json_array_append json_array_insert json_compact json_contains json_contains_path json_depth json_detailed json_equals json_exists
json_extract json_insert json_keys json_length json_loose json_memberof json_merge json_merge_patch json_merge_preserve json_normalize json_object
json_overlaps json_pretty json_query json_quote json_remove json_replace json_schema_valid json_search json_set json_type json_unquote json_valid json_value

bin_to_uuid compress inet6_aton inet6_ntoa inet_aton inet_ntoa is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid md5 sha sha1 sha2 uncompress
uncompressed_length uuid_to_bin

column_add column_check column_create column_delete column_exists column_get column_json column_list

point st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_geomfromgeojson st_geomfromtext st_geomfromwkb st_latitude st_longitude st_srid st_x st_y
vec_fromtext vec_totext string_to_vector vector_to_string vector_dim
`)

// impure are functions that people do write, and why they cannot be used.
var impure = reasons(map[string]string{
	"gives another value each time":                  "rand uuid uuid_short uuid_v4 uuid_v7 sys_guid random_bytes encrypt nextval lastval setval",
	"gives the time of the call":                     "now sysdate current_timestamp localtime localtimestamp curdate current_date curtime current_time utc_date utc_time utc_timestamp",
	"depends on the session's time zone":             "unix_timestamp from_unixtime",
	"depends on the session's lc_time_names":         "dayname monthname",
	"depends on the session's block_encryption_mode": "aes_encrypt aes_decrypt",
	"differs from session to session":                "connection_id last_insert_id row_count found_rows database schema user current_user session_user system_user current_role version charset collation coercibility",
	"does something beside giving a value":           "sleep benchmark get_lock release_lock release_all_locks is_free_lock is_used_lock load_file master_pos_wait",
})

func set(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}

func reasons(of map[string]string) map[string]string {
	out := map[string]string{}
	for why, words := range of {
		for _, w := range strings.Fields(words) {
			out[w] = why
		}
	}
	return out
}
