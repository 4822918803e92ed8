/*
 * HCS documents about compute systems: what is accepted; by the same rules as `documents.c`.
 */
#include "double.h"

#include <string.h>
#include <wchar.h>

#define SCHEMA_MAJOR 2
#define SCHEMA_MINOR 1 /* the highest */

static bool is_any(const Json *value)
{
    return value != NULL;
}

static bool is_list(const Json *value)
{
    return value->kind == JSON_ARRAY;
}

static bool is_count(const Json *value)
{
    return value->kind == JSON_INTEGER && value->integer >= 0;
}

static bool is_one_of(const Json *value, const WCHAR *const *names)
{
    for (; *names; names++)
        if (json_is(value, *names))
            return true;
    return false;
}

static bool is_isolation(const Json *value)
{
    return json_is(value, L"HostProcess");
}

static bool is_mechanism(const Json *value)
{
    static const WCHAR *const names[] = {L"GuestConnection", L"IntegrationService", NULL};

    return is_one_of(value, names);
}

static bool is_shutdown(const Json *value)
{
    static const WCHAR *const names[] = {L"Shutdown", L"Hibernate", L"Reboot", NULL};

    return is_one_of(value, names);
}

static bool is_level(const Json *value)
{
    static const WCHAR *const names[] = {L"Suspend", L"MemoryLow", L"MemoryMedium", L"MemoryHigh",
                                         NULL};

    return is_one_of(value, names);
}

static bool is_save(const Json *value)
{
    static const WCHAR *const names[] = {L"ToFile", L"AsTemplate", NULL};

    return is_one_of(value, names);
}

static bool is_request(const Json *value)
{
    static const WCHAR *const names[] = {L"Add", L"Remove", L"Update", NULL};

    return is_one_of(value, names);
}

static const Member compute_system[] = {{L"Owner", is_string},
                                        {L"SchemaVersion", is_object},
                                        {L"HostingSystemId", is_string},
                                        {L"HostedSystem", is_object},
                                        {L"Container", is_object},
                                        {L"VirtualMachine", is_object},
                                        {L"ShouldTerminateOnLastHandleClosed", is_bool},
                                        {NULL, NULL}};
static const Member schema_version[] = {{L"Major", is_count}, {L"Minor", is_count}, {NULL, NULL}};
static const Member container[] = {{L"GuestOs", is_object},
                                   {L"Storage", is_object},
                                   {L"MappedDirectories", is_list},
                                   {L"MappedPipes", is_list},
                                   {L"Memory", is_object},
                                   {L"Processor", is_object},
                                   {L"Networking", is_object},
                                   {L"HvSocket", is_object},
                                   {L"ContainerCredentialGuard", is_object},
                                   {L"RegistryChanges", is_object},
                                   {L"AssignedDevices", is_list},
                                   {L"AdditionalDeviceNamespace", is_object},
                                   {L"IsolationType", is_isolation},
                                   {NULL, NULL}};
static const Member shutdown_options[] = {{L"Mechanism", is_mechanism},
                                          {L"Type", is_shutdown},
                                          {L"Force", is_bool}, /* as always here */
                                          {L"Reason", is_string},
                                          {NULL, NULL}};
static const Member pause_options[] = {
    {L"SuspensionLevel", is_level}, {L"HostedNotification", is_object}, {NULL, NULL}};
static const Member save_options[] = {
    {L"SaveType", is_save}, {L"SaveStateFilePath", is_string}, {NULL, NULL}};
static const Member modify_setting[] = {{L"ResourcePath", is_string},
                                        {L"RequestType", is_request},
                                        {L"Settings", is_any},
                                        {L"GuestRequest", is_any},
                                        {NULL, NULL}};
static const Member system_query[] = {{L"Ids", is_strings},
                                      {L"Names", is_strings},
                                      {L"Types", is_strings},
                                      {L"Owners", is_strings},
                                      {NULL, NULL}};
static const Member property_query[] = {
    {L"PropertyTypes", is_strings}, {L"Queries", is_object}, {NULL, NULL}};
static const Member service_query[] = {
    {L"PropertyTypes", is_strings}, {L"PropertyQueries", is_object}, {NULL, NULL}};

/* Whether a member asks for anything. */
static bool asks(const Json *value)
{
    return value && (value->kind == JSON_STRING ? *value->string != 0 : value->count > 0);
}

static bool refuse_others(const Json *object, const char *what, const Member *members,
                          const WCHAR *honoured, Failure *failure)
{
    for (; members->name; members++)
        if (wcscmp(members->name, honoured) != 0 && asks(json_member(object, members->name)))
            return fail(failure, HR_NOT_SUPPORTED, "the double cannot honour %s.%ls", what,
                        members->name);
    return false;
}

static bool check_version(const Json *version, Failure *failure)
{
    const Json *major = json_member(version, L"Major"), *minor = json_member(version, L"Minor");

    if (version && !check_members(version, "ComputeSystem.SchemaVersion", schema_version, failure))
        return false;
    if (!major || !minor)
        return !fail(failure, HR_INVALID_JSON,
                     "ComputeSystem.SchemaVersion needs a Major and a Minor");
    if (major->integer != SCHEMA_MAJOR || minor->integer > SCHEMA_MINOR)
        return !fail(failure, HR_NOT_SUPPORTED, "the double knows schema 2.0 to 2.1, not %ld.%ld",
                     (long)major->integer, (long)minor->integer);
    return true;
}

static bool check_container(const Json *asked, Failure *failure)
{
    if (!asked)
        return !fail(failure, HR_INVALID_JSON, "ComputeSystem has no Container");
    return check_members(asked, "Container", container, failure) &&
           !refuse_others(asked, "Container", container, L"IsolationType", failure);
}

bool parse_configuration(const WCHAR *text, Configuration *configuration, Failure *failure)
{
    static const Member others[] = {
        {L"HostingSystemId", NULL}, {L"HostedSystem", NULL}, {L"VirtualMachine", NULL}, {0}};
    Json *value = read_document(text, "ComputeSystem", compute_system, failure);
    bool accepted = value && check_version(json_member(value, L"SchemaVersion"), failure) &&
                    !refuse_others(value, "ComputeSystem", others, L"", failure) &&
                    check_container(json_member(value, L"Container"), failure);

    if (accepted) {
        configuration->owner = copy_string(value, L"Owner");
        configuration->ends_with_handles =
            json_true(json_member(value, L"ShouldTerminateOnLastHandleClosed"));
    }
    json_free(value);
    return accepted;
}

/* ---- options ---- */

bool parse_start(const WCHAR *text, Failure *failure)
{
    return parse_nothing(text, "StartOptions", failure);
}

bool parse_terminate(const WCHAR *text, Failure *failure)
{
    return parse_nothing(text, "TerminateOptions", failure);
}

bool parse_resume(const WCHAR *text, Failure *failure)
{
    return parse_nothing(text, "ResumeOptions", failure);
}

/* Whether a member is absent, or what the double does anyway. */
static bool must_be(const Json *options, const char *what, const WCHAR *name, const WCHAR *only,
                    Failure *failure)
{
    const Json *value = json_member(options, name);

    return !value || json_is(value, only) ||
           !fail(failure, HR_NOT_SUPPORTED, "the double cannot honour %s.%ls %ls", what, name,
                 value->string);
}

bool parse_shutdown(const WCHAR *text, Failure *failure)
{
    Json *value = read_document(text, "ShutdownOptions", shutdown_options, failure);
    bool accepted =
        value && must_be(value, "ShutdownOptions", L"Mechanism", L"GuestConnection", failure) &&
        must_be(value, "ShutdownOptions", L"Type", L"Shutdown", failure);

    json_free(value);
    return accepted;
}

bool parse_pause(const WCHAR *text, Failure *failure)
{
    Json *value = read_document(text, "PauseOptions", pause_options, failure);
    bool accepted =
        value && must_be(value, "PauseOptions", L"SuspensionLevel", L"Suspend", failure) &&
        !refuse_others(value, "PauseOptions", pause_options, L"SuspensionLevel", failure);

    json_free(value);
    return accepted;
}

bool parse_save(const WCHAR *text, Failure *failure)
{
    Json *value = read_document(text, "SaveOptions", save_options, failure);

    json_free(value);
    return value != NULL;
}

bool parse_modify_setting(const WCHAR *text, Failure *failure)
{
    Json *value = read_document(text, "ModifySettingRequest", modify_setting, failure);
    bool accepted = value && (asks(json_member(value, L"ResourcePath")) ||
                              !fail(failure, HR_INVALID_JSON,
                                    "ModifySettingRequest names no ResourcePath"));

    json_free(value);
    return accepted;
}

/* ---- queries ---- */

Json *parse_system_query(const WCHAR *text, Failure *failure)
{
    return read_document(text, "SystemQuery", system_query, failure);
}

static bool parse_property(const Json *type, PropertyTypes *types, Failure *failure)
{
    static const WCHAR *const others[] = {L"Statistics",
                                          L"Memory",
                                          L"SharedMemoryRegion",
                                          L"GuestConnection",
                                          L"GuestMemory",
                                          L"ContainerCredentialGuard",
                                          L"ICHeartbeatStatus",
                                          L"ProcessorTopology",
                                          L"CpuGroup",
                                          L"SystemGUID",
                                          NULL};

    if (json_is(type, L"ProcessList"))
        types->processes = true;
    else if (json_is(type, L"TerminateOnLastHandleClosed"))
        types->ends_with_handles = true;
    else if (is_one_of(type, others))
        return !fail(failure, HR_NOT_SUPPORTED, "the double has no property '%ls'", type->string);
    else
        return !fail(failure, HR_INVALID_JSON,
                     "System_PropertyQuery.PropertyTypes has an unknown type '%ls'", type->string);
    return true;
}

bool parse_property_query(const WCHAR *text, PropertyTypes *types, Failure *failure)
{
    Json *value = read_document(text, "System_PropertyQuery", property_query, failure);
    const Json *asked = json_member(value, L"PropertyTypes"), *type;
    bool accepted = value && !refuse_others(value, "System_PropertyQuery", property_query,
                                            L"PropertyTypes", failure);

    for (type = asked ? asked->first : NULL; accepted && type; type = type->next)
        accepted = parse_property(type, types, failure);
    json_free(value);
    return accepted;
}

bool parse_service_query(const WCHAR *text, Failure *failure)
{
    Json *value = read_document(text, "Service_PropertyQuery", service_query, failure);
    const Json *types = json_member(value, L"PropertyTypes");
    bool basic = types && types->count == 1 && json_is(types->first, L"Basic");

    if (value && !basic)
        fail(failure, HR_NOT_SUPPORTED, "the double has Basic properties only");
    json_free(value);
    return basic;
}
