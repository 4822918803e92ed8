/*
 * The JSON documents of HCS: how they are read, what is accepted, and what they ask for.
 *
 * Only double.h includes this.
 */
#ifndef DOCUMENTS_H
#define DOCUMENTS_H

/* ---- json.c ---- */

typedef enum JsonKind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} JsonKind;

typedef struct Json {
    JsonKind kind;
    WCHAR *name; /* of a member of an object */
    WCHAR *string;
    int64_t integer; /* also the value of a JSON_BOOL */
    bool holds_nul;  /* the string has a NUL in it, which ends it early */
    struct Json *first, *next;
    size_t count;
} Json;

Json *json_read(const WCHAR *text); /* NULL: not a JSON document */
void json_free(Json *value);
const Json *json_member(const Json *object, const WCHAR *name); /* NULL: absent */
bool json_is(const Json *value, const WCHAR *string);
bool json_true(const Json *value); /* false if absent */

/* ---- documents.c: of any kind ---- */

typedef bool (*Check)(const Json *value);

/* A member that a schema knows. A table of them ends with one that has no name. */
typedef struct Member {
    const WCHAR *name;
    Check check;
} Member;

bool is_string(const Json *value); /* one that C can hold */
bool is_strings(const Json *value);
bool is_bool(const Json *value);
bool is_object(const Json *value);

bool check_members(const Json *value, const char *what, const Member *members, Failure *failure);
/* The document, for the caller to free; NULL if it is refused. NULL and "" are an empty one. */
Json *read_document(const WCHAR *text, const char *what, const Member *members, Failure *failure);
bool parse_nothing(const WCHAR *text, const char *what, Failure *failure);
WCHAR *copy_string(const Json *object, const WCHAR *name); /* NULL: absent or empty */

/* ---- documents.c: about processes ---- */

/* What a ProcessParameters document asks for. */
typedef struct Launch {
    WCHAR *application, *command, *directory, *user;
    WCHAR
        *environment; /* members to add or override: NAME=VALUE, each NUL-terminated, then a NUL */
    bool console, pipes[3];
    COORD size;
} Launch;

bool parse_launch(const WCHAR *text, Launch *launch, Failure *failure);
void launch_clear(Launch *launch);

typedef struct Modify {
    bool resize, close_stdin;
    COORD size;
} Modify;

bool parse_modify(const WCHAR *text, Modify *modify, Failure *failure);
bool parse_signal(const WCHAR *text, DWORD *event, Failure *failure); /* MAXDWORD: kill */

/* ---- configuration.c: about systems ---- */

/* What a ComputeSystem document asks for. */
typedef struct Configuration {
    WCHAR *owner; /* NULL: none */
    bool ends_with_handles;
} Configuration;

/* What a System_PropertyQuery asks for besides the basic properties. */
typedef struct PropertyTypes {
    bool processes, ends_with_handles;
} PropertyTypes;

typedef bool (*ParseOptions)(const WCHAR *text, Failure *failure); /* false: refused */

bool parse_configuration(const WCHAR *text, Configuration *configuration, Failure *failure);
bool parse_start(const WCHAR *text, Failure *failure);
bool parse_shutdown(const WCHAR *text, Failure *failure);
bool parse_terminate(const WCHAR *text, Failure *failure);
bool parse_pause(const WCHAR *text, Failure *failure);
bool parse_resume(const WCHAR *text, Failure *failure);
bool parse_save(const WCHAR *text, Failure *failure);
bool parse_modify_setting(const WCHAR *text, Failure *failure);
bool parse_property_query(const WCHAR *text, PropertyTypes *types, Failure *failure);
Json *parse_system_query(const WCHAR *text, Failure *failure);
bool parse_service_query(const WCHAR *text, Failure *failure);

#endif
