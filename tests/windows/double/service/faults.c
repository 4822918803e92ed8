/*
 * Faults on command. A script is a list of rules, in a document:
 *
 *   [{"Function": "HcsCreateProcess", "Complete": 2147942487, "Skip": 1, "Times": 2}]
 *
 *   Function   which calls it is for; "ProcessExited" and "SystemExited" are for events, and "*" is
 *              for all calls that go to the service
 *   Skip       how many of them pass before it applies (0)
 *   Times      how often it applies then (1); 0 is always
 *   Message    text of the ResultError document
 *   NoDocument there is no such document
 *
 *   Start      the call fails with this HRESULT
 *   Complete   the operation fails with it, and the work is not done
 *   After      ... but the work is done before
 *   Inline     the operation completes, with its callback, before the call returns
 *   Returns    the call that starts it answers this although it has started, as some builds do
 *   DelayMs    the operation takes this much longer
 *   BlockMs    the call takes this much longer
 *   Never      the operation never completes, and the work is not done
 *   Lost       the operation never completes, although the work is done
 *   Silent     the operation completes, but its callback is not made
 *   Disconnect the service goes away as the call is made
 *   ExitFirst  of HcsCreateProcess: it completes when the process has ended and its exit event is out
 *   KeepPipes  of HcsCreateProcess: the pipes and the console of its output stay open after its end
 *   Reissue    of HcsCreateProcess: HcsGetProcessInfo gives its pipes again, as duplicates
 *
 *   Events     of an event: how often it is delivered (1)
 *   NoData     ... without a document
 *   Malformed  ... with half a document
 *   DelayMs    ... this much later
 *   WaitFailed of ProcessExited: it says that the service could not wait for the process
 *   SystemFirst of ProcessExited: the end of a system that ends is told before that of the process
 *
 *   Document   the text of a result document or of an event's; null is none
 *   Find, Put  such a document has `Put` wherever it had `Find`
 *
 * Rules are asked in their order and the first that applies counts. The environment variable
 * HCSD_DOUBLE_SCRIPT holds the rules to begin with. HcsdDoubleReset forgets all rules, ends what
 * waits because of one, and completes what would never complete.
 */
#include "double.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

typedef struct Rule {
    struct Rule *next;
    WCHAR *function;
    int64_t skip, times;
    bool always;
    Fault fault;
} Rule;

static Rule *rules;
static bool begun; /* the environment has been looked at */
static unsigned resets;
static UINT64 waiting; /* calls and the like that a rule holds up */

static int64_t number(const Json *rule, const WCHAR *name, int64_t absent)
{
    const Json *value = json_member(rule, name);

    return value && value->kind == JSON_INTEGER ? value->integer : absent;
}

static WCHAR *string(const Json *rule, const WCHAR *name)
{
    const Json *value = json_member(rule, name);

    return value && value->kind == JSON_STRING ? copy_text(value->string) : NULL;
}

static bool known(const WCHAR *name)
{
    static const WCHAR *const names[] = {
        L"Function",  L"Skip",        L"Times",     L"Message",    L"NoDocument",
        L"Start",     L"Complete",    L"After",     L"Inline",     L"DelayMs",
        L"BlockMs",   L"Never",       L"Lost",      L"Disconnect", L"ExitFirst",
        L"KeepPipes", L"Reissue",     L"Events",    L"NoData",     L"Malformed",
        L"WaitFailed", L"SystemFirst", L"Document", L"Find",       L"Put",
        L"Returns",    L"Silent"};
    size_t index;

    for (index = 0; index < ARRAYSIZE(names); index++)
        if (wcscmp(names[index], name) == 0)
            return true;
    return false;
}

static Rule *read_rule(const Json *json)
{
    const Json *function = json_member(json, L"Function"),
               *document = json_member(json, L"Document"), *item;
    Rule *rule;

    if (!function || function->kind != JSON_STRING)
        return NULL;
    for (item = json->first; item; item = item->next)
        if (!known(item->name))
            return NULL;
    rule = allocate(sizeof(*rule));
    rule->function = copy_text(function->string);
    rule->skip = number(json, L"Skip", 0);
    rule->times = number(json, L"Times", 1);
    rule->always = rule->times == 0;
    rule->fault = (Fault){
        .found = true,
        .start = (HRESULT)number(json, L"Start", S_OK),
        .complete = (HRESULT)number(json, L"Complete", S_OK),
        .returns = (HRESULT)number(json, L"Returns", S_OK),
        .after = json_true(json_member(json, L"After")),
        .inline_completion = json_true(json_member(json, L"Inline")),
        .never = json_true(json_member(json, L"Never")),
        .silent = json_true(json_member(json, L"Silent")),
        .lost = json_true(json_member(json, L"Lost")),
        .no_document = json_true(json_member(json, L"NoDocument")),
        .disconnect = json_true(json_member(json, L"Disconnect")),
        .exit_first = json_true(json_member(json, L"ExitFirst")),
        .delay_ms = (DWORD)number(json, L"DelayMs", 0),
        .block_ms = (DWORD)number(json, L"BlockMs", 0),
        .event_count = (int)number(json, L"Events", 1),
        .event_null = json_true(json_member(json, L"NoData")),
        .event_malformed = json_true(json_member(json, L"Malformed")),
        .wait_failed = json_true(json_member(json, L"WaitFailed")),
        .system_first = json_true(json_member(json, L"SystemFirst")),
        .keep_pipes = json_true(json_member(json, L"KeepPipes")),
        .reissue = json_true(json_member(json, L"Reissue")),
        .document_null = document && document->kind == JSON_NULL,
        .message = string(json, L"Message"),
        .document = string(json, L"Document"),
        .find = string(json, L"Find"),
        .put = string(json, L"Put"),
    };
    return rule;
}

static void free_rules(Rule *rule)
{
    while (rule) {
        Rule *next = rule->next;

        release(rule->function);
        fault_clear(&rule->fault);
        release(rule);
        rule = next;
    }
}

/* Append the rules of a document: all of them, or none. Lock held. */
static HRESULT append(const WCHAR *text)
{
    Json *document = json_read(text);
    Rule *first = NULL, **link = &first;
    const Json *item;
    HRESULT result = document && document->kind == JSON_ARRAY ? S_OK : HR_INVALID_JSON;

    for (item = document ? document->first : NULL; item && result == S_OK; item = item->next) {
        *link = read_rule(item);
        if (*link)
            link = &(*link)->next;
        else
            result = HR_INVALID_JSON;
    }
    json_free(document);
    if (result == S_OK) {
        for (link = &rules; *link; link = &(*link)->next)
            ;
        *link = first;
    } else {
        free_rules(first);
    }
    return result;
}

static void begin(void)
{
    DWORD size = GetEnvironmentVariableW(L"HCSD_DOUBLE_SCRIPT", NULL, 0);
    WCHAR *text;

    begun = true;
    if (!size)
        return;
    text = allocate(size * sizeof(WCHAR));
    if (GetEnvironmentVariableW(L"HCSD_DOUBLE_SCRIPT", text, size) && append(text) != S_OK)
        abort(); /* a script that says nothing would prove nothing */
    release(text);
}

/* "*" leaves out events, and what needs no service: to make operations and to close handles. */
static bool is_for(const Rule *rule, const char *function)
{
    size_t index;

    if (wcscmp(rule->function, L"*") == 0)
        return strncmp(function, "Hcs", 3) == 0 && strncmp(function, "HcsClose", 8) != 0 &&
               strcmp(function, "HcsCreateOperation") != 0;
    for (index = 0; function[index] && rule->function[index] == (WCHAR)function[index]; index++)
        ;
    return !function[index] && !rule->function[index];
}

Fault fault_take(const char *function)
{
    Fault fault = {0};
    Rule *rule;

    lock();
    if (!begun)
        begin();
    for (rule = rules; rule && !fault.found; rule = rule->next) {
        if (!is_for(rule, function) || (!rule->always && rule->times == 0))
            continue;
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        if (!rule->always)
            rule->times--;
        fault = rule->fault;
        fault.message = copy_text(fault.message);
        fault.document = copy_text(fault.document);
        fault.find = copy_text(fault.find);
        fault.put = copy_text(fault.put);
        fault.epoch = resets;
    }
    unlock();
    return fault;
}

void fault_clear(Fault *fault)
{
    release(fault->message);
    release(fault->document);
    release(fault->find);
    release(fault->put);
    memset(fault, 0, sizeof(*fault));
}

void fault_edit(const Fault *fault, WCHAR **document)
{
    Text edited = {0};
    const WCHAR *rest = *document, *found;

    if (fault->document || fault->document_null) {
        release(*document);
        *document = copy_text(fault->document);
    } else if (rest && fault->find && *fault->find) {
        text_add(&edited, L"");
        while ((found = wcsstr(rest, fault->find))) {
            WCHAR *before = copy_text(rest);

            before[found - rest] = 0;
            text_add(&edited, before);
            release(before);
            text_add(&edited, fault->put ? fault->put : L"");
            rest = found + wcslen(fault->find);
        }
        text_add(&edited, rest);
        release(*document);
        *document = edited.units;
    }
}

bool fault_holds(const Fault *fault)
{
    return fault->epoch == resets;
}

bool fault_wait(DWORD milliseconds)
{
    ULONGLONG until = GetTickCount64() + milliseconds, now;
    unsigned before;
    bool elapsed;

    lock();
    before = resets;
    waiting++;
    while ((now = GetTickCount64()) < until && resets == before)
        SleepConditionVariableCS(&double_changed, &double_lock, (DWORD)(until - now));
    elapsed = resets == before;
    waiting--;
    unlock();
    return elapsed;
}

UINT64 faults_waiting(void)
{
    UINT64 count;

    lock();
    count = waiting;
    unlock();
    return count;
}

/* ---- exports of the double's own ---- */

/* Add rules. */
HRESULT WINAPI HcsdDoubleScript(PCWSTR json)
{
    HRESULT result;

    lock();
    if (!begun)
        begin();
    result = append(json);
    unlock();
    return result;
}

/* Forget all rules, and let go of what they hold. */
void WINAPI HcsdDoubleReset(void)
{
    lock();
    begun = true;
    free_rules(rules);
    rules = NULL;
    resets++;
    WakeAllConditionVariable(&double_changed);
    unlock();
    stdio_close_kept();
    operations_disconnect(true);
}

/* The service goes away, and is back at once. */
void WINAPI HcsdDoubleDisconnect(void)
{
    disconnect();
}

/*
 * Count what the caller holds: operations, system handles, process handles, strings; and the systems
 * that were created and are still there.
 */
void WINAPI HcsdDoubleLive(UINT64 *counts)
{
    counts[4] = live_systems();
    counts[3] = 0; /* strings are with the client, which counts them itself */
    lock();
    counts[0] = handle_count(OPERATION_HANDLE);
    counts[1] = handle_count(SYSTEM_HANDLE);
    counts[2] = handle_count(PROCESS_HANDLE);
    unlock();
}

/* Count the stdio pipes that are open at one end at least. */
UINT64 WINAPI HcsdDoublePipes(void)
{
    return live_pipes();
}

/* Count the process starts that failed inside Wine and were made again. */
UINT64 WINAPI HcsdDoubleRepeatedStarts(void)
{
    return repeated_starts();
}
