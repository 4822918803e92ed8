/*
 * What a compute system tells of itself and of what runs in it.
 *
 * The list of its processes has those that were created through HCS and run.
 */
#include "double.h"

#include <psapi.h>
#include <stdio.h>
#include <wchar.h>

static void add_string(Text *text, const char *name, const WCHAR *value)
{
    text_add_format(text, "%s\"%s\":", text->units[text->length - 1] == L'{' ? "" : ",", name);
    text_add_json(text, value);
}

static const WCHAR *owner_of(const System *system)
{
    return system->asked.owner ? system->asked.owner : L"";
}

static unsigned long long ticks_of(const FILETIME *time)
{
    return (unsigned long long)time->dwHighDateTime << 32 | time->dwLowDateTime;
}

/* A time as HCS words it: to 100 ns. */
static void word_time(Text *text, const FILETIME *time)
{
    SYSTEMTIME parts = {0};
    WCHAR when[40];

    FileTimeToSystemTime(time, &parts);
    _snwprintf(when, ARRAYSIZE(when), L"%04u-%02u-%02uT%02u:%02u:%02u.%07luZ", parts.wYear,
               parts.wMonth, parts.wDay, parts.wHour, parts.wMinute, parts.wSecond,
               (unsigned long)(ticks_of(time) % 10000000));
    text_add_json(text, when);
}

static void word_image(Text *text, HANDLE process)
{
    WCHAR path[MAX_PATH] = L"", *name;
    DWORD size = ARRAYSIZE(path);

    QueryFullProcessImageNameW(process, 0, path, &size);
    name = wcsrchr(path, L'\\');
    text_add_json(text, name ? name + 1 : path);
}

/*
 * What Windows counts of a process. Wine knows its working set, but nothing of it as private, and
 * gives the caller's processor time for that of everybody.
 */
static void word_process(Text *text, const Process *process)
{
    FILETIME created = {0}, exited, kernel = {0}, user = {0};
    PROCESS_MEMORY_COUNTERS_EX memory = {.cb = sizeof(memory)};
    SIZE_T private;

    GetProcessTimes(process->process, &created, &exited, &kernel, &user);
    K32GetProcessMemoryInfo(process->process, (PROCESS_MEMORY_COUNTERS *)&memory, sizeof(memory));
    private = min(memory.PrivateUsage, memory.WorkingSetSize);
    text_add_format(text, "{\"ProcessId\":%lu,\"ImageName\":", process->pid);
    word_image(text, process->process);
    text_add(text, L",\"CreateTimestamp\":");
    word_time(text, &created);
    text_add_format(text, ",\"UserTime100ns\":%llu,\"KernelTime100ns\":%llu", ticks_of(&user),
                    ticks_of(&kernel));
    text_add_format(text,
                    ",\"MemoryCommitBytes\":%llu,\"MemoryWorkingSetPrivateBytes\":%llu,"
                    "\"MemoryWorkingSetSharedBytes\":%llu}",
                    (unsigned long long)memory.PrivateUsage, (unsigned long long)private,
                    (unsigned long long)(memory.WorkingSetSize - private));
}

static void word_processes(Text *text, const System *system)
{
    const Process *process;

    text_add(text, L",\"ProcessList\":[");
    for (process = system->processes; process; process = process->next) {
        if (process != system->processes)
            text_add(text, L",");
        word_process(text, process);
    }
    text_add(text, L"]");
}

/* The basic properties, up to where others may follow. Lock held. */
static void word_basic(Text *text, const System *system)
{
    static const WCHAR *const states[] = {L"Unknown", L"Created", L"Running",
                                          L"Paused",  L"Unknown", L"Stopped"};

    text_add(text, L"{");
    add_string(text, "Id", system->id);
    add_string(text, "SystemType", L"Container");
    add_string(text, "RuntimeOsType", L"Windows");
    add_string(text, "Owner", owner_of(system));
    add_string(text, "RuntimeId", system->runtime_id);
    add_string(text, "State", states[system->shown]);
    if (system->state == SYSTEM_STOPPED) {
        text_add(text, L",\"Stopped\":true");
        add_string(text, "ExitType",
                   system->exit == EXIT_GRACEFUL ? L"GracefulExit" : L"ForcedExit");
    }
}

/* An empty list, or none, asks for nothing. */
static bool wanted(const Json *query, const WCHAR *member, const WCHAR *value)
{
    const Json *list = json_member(query, member), *item;

    if (!list || !list->first)
        return true;
    for (item = list->first; item; item = item->next)
        if (json_is(item, value))
            return true;
    return false;
}

static void free_query(void *argument)
{
    json_free(argument);
}

static void enumerate(void *argument, Answer *answer, Failure *failure)
{
    const Json *query = argument;
    const System *system;
    Text text = {0};

    (void)failure;
    text_add(&text, L"[");
    lock();
    for (system = systems; system; system = system->next) {
        /* The members of the query combine with AND. No system here has a name. */
        if (!wanted(query, L"Ids", system->id) || !wanted(query, L"Names", L"") ||
            !wanted(query, L"Types", L"Container") || !wanted(query, L"Owners", owner_of(system)))
            continue;
        if (text.length > 1)
            text_add(&text, L",");
        word_basic(&text, system);
        text_add(&text, L"}");
    }
    unlock();
    text_add(&text, L"]");
    answer->document = text.units;
}

HRESULT WINAPI HcsEnumerateComputeSystems(PCWSTR query, HCS_OPERATION operation)
{
    Kickoff kickoff = {.function = "HcsEnumerateComputeSystems",
                       .operation = operation,
                       .type = HcsOperationTypeEnumerate,
                       .work = enumerate,
                       .discard = free_query};
    HRESULT result;

    if (!kickoff_begin(&kickoff, &result))
        return result;
    kickoff.argument = parse_system_query(query, &kickoff.failure);
    return kickoff_end(&kickoff);
}

typedef struct Question {
    System *system;
    PropertyTypes types;
} Question;

static void question_free(void *argument)
{
    Question *question = argument;

    if (question->system)
        system_discard(question->system);
    release(question);
}

static void get_properties(void *argument, Answer *answer, Failure *failure)
{
    const Question *question = argument;
    const System *system = question->system;
    Text text = {0};

    lock();
    if (is_legal(question->types.processes ? CALL_MEASURE : CALL_QUERY, system, failure)) {
        word_basic(&text, system);
        if (question->types.ends_with_handles)
            text_add_format(&text, ",\"TerminateOnLastHandleClosed\":%s",
                            system->asked.ends_with_handles ? "true" : "false");
        if (question->types.processes)
            word_processes(&text, system);
        text_add(&text, L"}");
    }
    unlock();
    answer->document = text.units;
}

HRESULT WINAPI HcsGetComputeSystemProperties(HCS_SYSTEM computeSystem, HCS_OPERATION operation,
                                             PCWSTR propertyQuery)
{
    Kickoff kickoff = {.function = "HcsGetComputeSystemProperties",
                       .operation = operation,
                       .system = computeSystem,
                       .type = HcsOperationTypeGetProperties,
                       .work = get_properties,
                       .discard = question_free};
    HRESULT result;
    Question *question;
    Opened *opened;

    if (!kickoff_begin(&kickoff, &result))
        return result;
    lock();
    opened = system_opened(computeSystem, &kickoff.failure);
    kickoff.argument = question = allocate(sizeof(*question));
    if (opened && parse_property_query(propertyQuery, &question->types, &kickoff.failure)) {
        question->system = opened->target;
        system_retain(question->system);
    }
    unlock();
    return kickoff_end(&kickoff);
}
