/*
 * HCS documents about processes: what is accepted, and how answers are worded; and the checks that
 * `configuration.c` shares.
 *
 * A document that is not JSON, or has a member that its schema does not know or whose value is of
 * the wrong type, is HCS_E_INVALID_JSON. What the schema knows and the double cannot do is
 * ERROR_NOT_SUPPORTED. NULL and the empty string are an empty document.
 */
#include "double.h"

#include <string.h>
#include <wchar.h>

bool is_string(const Json *value)
{
    return value->kind == JSON_STRING && !value->holds_nul;
}

bool is_bool(const Json *value)
{
    return value->kind == JSON_BOOL;
}

static bool is_uint16(const Json *value)
{
    return value->kind == JSON_INTEGER && value->integer >= 0 && value->integer <= UINT16_MAX;
}

bool is_object(const Json *value)
{
    return value->kind == JSON_OBJECT;
}

static bool all(const Json *list, Check check)
{
    const Json *item;

    if (list->kind != JSON_ARRAY && list->kind != JSON_OBJECT)
        return false;
    for (item = list->first; item; item = item->next)
        if (!check(item))
            return false;
    return true;
}

bool is_strings(const Json *value)
{
    return value->kind == JSON_ARRAY && all(value, is_string);
}

static bool is_variable(const Json *value)
{
    return is_string(value) && *value->name && !wcschr(value->name, L'=');
}

static bool is_environment(const Json *value)
{
    return value->kind == JSON_OBJECT && all(value, is_variable);
}

static bool is_size_array(const Json *value)
{
    return value->kind == JSON_ARRAY && (value->count == 0 || value->count == 2) &&
           all(value, is_uint16);
}

static bool is_stdio(const Json *value)
{
    return json_is(value, L"StdIn") || json_is(value, L"StdOut") || json_is(value, L"StdErr") ||
           json_is(value, L"All");
}

/* By control event: CTRL_C_EVENT and so on. */
static const WCHAR *const events[] = {L"CtrlC", L"CtrlBreak",  L"CtrlClose",   NULL,
                                      NULL,     L"CtrlLogOff", L"CtrlShutdown"};

static bool is_event(const Json *value)
{
    size_t index;

    for (index = 0; index < ARRAYSIZE(events); index++)
        if (events[index] && json_is(value, events[index]))
            return true;
    return false;
}

static const Member process_parameters[] = {{L"ApplicationName", is_string},
                                            {L"CommandLine", is_string},
                                            {L"CommandArgs", is_strings},
                                            {L"User", is_string},
                                            {L"WorkingDirectory", is_string},
                                            {L"Environment", is_environment},
                                            {L"RestrictedToken", is_bool},
                                            {L"EmulateConsole", is_bool},
                                            {L"CreateStdInPipe", is_bool},
                                            {L"CreateStdOutPipe", is_bool},
                                            {L"CreateStdErrPipe", is_bool},
                                            {L"ConsoleSize", is_size_array},
                                            {L"UseExistingLogin", is_bool},
                                            {L"UseLegacyConsole", is_bool},
                                            {NULL, NULL}};
static const Member modify_request[] = {{L"Operation", is_string},
                                        {L"ConsoleSize", is_object},
                                        {L"CloseHandle", is_object},
                                        {NULL, NULL}};
static const Member console_size[] = {{L"Height", is_uint16}, {L"Width", is_uint16}, {NULL, NULL}};
static const Member close_handle[] = {{L"Handle", is_stdio}, {NULL, NULL}};
static const Member signal_options[] = {{L"Signal", is_event}, {NULL, NULL}};
static const Member nothing[] = {{NULL, NULL}};

bool check_members(const Json *value, const char *what, const Member *members, Failure *failure)
{
    const Json *item;

    if (value->kind != JSON_OBJECT) {
        fail(failure, HR_INVALID_JSON, "%s must be an object", what);
        return false;
    }
    for (item = value->first; item; item = item->next) {
        const Member *member = members;

        while (member->name && wcscmp(member->name, item->name) != 0)
            member++;
        if (!member->name)
            fail(failure, HR_INVALID_JSON, "%s has no member '%ls'", what, item->name);
        else if (!member->check(item))
            fail(failure, HR_INVALID_JSON, "%s.%ls has a value of the wrong type or range", what,
                 item->name);
        else
            continue;
        return false;
    }
    return true;
}

Json *read_document(const WCHAR *text, const char *what, const Member *members, Failure *failure)
{
    Json *value = json_read(text && *text ? text : L"{}");

    if (!value) {
        fail(failure, HR_INVALID_JSON, "%s is not valid JSON", what);
    } else if (!check_members(value, what, members, failure)) {
        json_free(value);
        value = NULL;
    }
    return value;
}

bool parse_nothing(const WCHAR *text, const char *what, Failure *failure)
{
    Json *value = read_document(text, what, nothing, failure);

    json_free(value);
    return value != NULL;
}

/* ---- ProcessParameters ---- */

WCHAR *copy_string(const Json *object, const WCHAR *name)
{
    const Json *value = json_member(object, name);

    return value && *value->string ? copy_text(value->string) : NULL;
}

static WCHAR *copy_environment(const Json *environment)
{
    const Json *item;
    size_t size = 1;
    WCHAR *block, *end;

    if (!environment)
        return NULL;
    for (item = environment->first; item; item = item->next)
        size += wcslen(item->name) + wcslen(item->string) + 2;
    block = end = allocate((size + 1) * sizeof(WCHAR));
    for (item = environment->first; item; item = item->next) {
        wcscpy(end, item->name);
        wcscat(end, L"=");
        wcscat(end, item->string);
        end += wcslen(end) + 1;
    }
    return block;
}

/* Rows come first here; 0 is the default of a pseudo console. */
static COORD initial_size(const Json *size)
{
    COORD found = {80, 25};

    if (size && size->first) {
        if (size->first->integer)
            found.Y = (SHORT)size->first->integer;
        if (size->first->next->integer)
            found.X = (SHORT)size->first->next->integer;
    }
    return found;
}

static bool refuse_launch(const Json *parameters, Failure *failure)
{
    static const WCHAR *const unsupported[] = {L"RestrictedToken", L"UseExistingLogin",
                                               L"UseLegacyConsole"};
    const Json *args = json_member(parameters, L"CommandArgs"),
               *size = json_member(parameters, L"ConsoleSize");
    const Json *line = json_member(parameters, L"CommandLine"),
               *program = json_member(parameters, L"ApplicationName");
    bool has_line = line && *line->string, has_args = args && args->first;
    size_t index;

    for (index = 0; index < ARRAYSIZE(unsupported); index++)
        if (json_true(json_member(parameters, unsupported[index])))
            return fail(failure, HR_NOT_SUPPORTED, "the double cannot honour ProcessParameters.%ls",
                        unsupported[index]);
    if (size && size->first && !json_true(json_member(parameters, L"EmulateConsole")))
        return fail(failure, HR_INVALID_JSON, "ProcessParameters.ConsoleSize needs EmulateConsole");
    if (has_line && has_args)
        return fail(failure, HR_INVALID_JSON,
                    "ProcessParameters has both CommandLine and CommandArgs");
    if (has_args)
        return fail(failure, HR_NOT_SUPPORTED, "ProcessParameters.CommandArgs is for Linux guests");
    if (!has_line && !(program && *program->string))
        return fail(failure, HR_INVALID_JSON, "ProcessParameters names no program");
    return false;
}

bool parse_launch(const WCHAR *text, Launch *launch, Failure *failure)
{
    Json *value = read_document(text, "ProcessParameters", process_parameters, failure);
    bool accepted = value && !refuse_launch(value, failure);

    if (accepted) {
        launch->application = copy_string(value, L"ApplicationName");
        launch->command = copy_string(value, L"CommandLine");
        if (!launch->command)
            launch->command = copy_text(launch->application);
        launch->directory = copy_string(value, L"WorkingDirectory");
        launch->user = copy_string(value, L"User");
        launch->environment = copy_environment(json_member(value, L"Environment"));
        launch->console = json_true(json_member(value, L"EmulateConsole"));
        launch->pipes[0] = json_true(json_member(value, L"CreateStdInPipe"));
        launch->pipes[1] = json_true(json_member(value, L"CreateStdOutPipe"));
        launch->pipes[2] = json_true(json_member(value, L"CreateStdErrPipe"));
        launch->size = initial_size(json_member(value, L"ConsoleSize"));
    }
    json_free(value);
    return accepted;
}

void launch_clear(Launch *launch)
{
    release(launch->application);
    release(launch->command);
    release(launch->directory);
    release(launch->user);
    release(launch->environment);
    memset(launch, 0, sizeof(*launch));
}

/* ---- requests ---- */

static bool parse_resize(const Json *size, Modify *modify, Failure *failure)
{
    const Json *height, *width;

    if (size && !check_members(size, "ProcessModifyRequest.ConsoleSize", console_size, failure))
        return false;
    height = json_member(size, L"Height");
    width = json_member(size, L"Width");
    if (!height || !width || !height->integer || !width->integer)
        return !fail(failure, HR_INVALID_JSON,
                     "ProcessModifyRequest.ConsoleSize needs a Height and a Width above 0");
    modify->resize = true;
    modify->size.Y = (SHORT)height->integer;
    modify->size.X = (SHORT)width->integer;
    return true;
}

static bool parse_close(const Json *close, Modify *modify, Failure *failure)
{
    const Json *handle;

    if (close && !check_members(close, "ProcessModifyRequest.CloseHandle", close_handle, failure))
        return false;
    handle = json_member(close, L"Handle");
    if (!handle)
        return !fail(failure, HR_INVALID_JSON, "ProcessModifyRequest.CloseHandle names no Handle");
    modify->close_stdin = json_is(handle, L"StdIn") || json_is(handle, L"All");
    return true;
}

bool parse_modify(const WCHAR *text, Modify *modify, Failure *failure)
{
    Json *value = read_document(text, "ProcessModifyRequest", modify_request, failure);
    const Json *operation = json_member(value, L"Operation");
    bool accepted = false;

    if (json_is(operation, L"ConsoleSize"))
        accepted = parse_resize(json_member(value, L"ConsoleSize"), modify, failure);
    else if (json_is(operation, L"CloseHandle"))
        accepted = parse_close(json_member(value, L"CloseHandle"), modify, failure);
    else if (value)
        fail(failure, HR_INVALID_JSON,
             "ProcessModifyRequest.Operation must be ConsoleSize or CloseHandle");
    json_free(value);
    return accepted;
}

bool parse_signal(const WCHAR *text, DWORD *event, Failure *failure)
{
    Json *value = read_document(text, "SignalProcessOptions", signal_options, failure);
    const Json *signal = json_member(value, L"Signal");
    DWORD index;
    bool accepted = value != NULL;

    *event = MAXDWORD; /* none: kill, as with processes in a job of the host */
    for (index = 0; signal && index < ARRAYSIZE(events); index++)
        if (events[index] && json_is(signal, events[index]))
            *event = index;
    json_free(value);
    return accepted;
}

void word_status(Text *text, const Process *process)
{
    text_add_format(text, "{\"ProcessId\":%lu,\"Exited\":%s", process->pid,
                    process->state == EXITED ? "true" : "false");
    if (process->state == EXITED)
        text_add_format(text, ",\"ExitCode\":%lu,\"LastWaitResult\":0", process->exit_code);
    text_add(text, L"}");
}
