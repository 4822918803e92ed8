/*
 * Memory. When it runs out the process ends: this is a test.
 */
#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

void *allocate(size_t size)
{
    void *block = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, size);

    if (!block)
        abort();
    return block;
}

void release(void *block)
{
    if (block)
        HeapFree(GetProcessHeap(), 0, block);
}

WCHAR *copy_text(const WCHAR *text)
{
    size_t size;
    WCHAR *copy;

    if (!text)
        return NULL;
    size = (wcslen(text) + 1) * sizeof(WCHAR);
    copy = allocate(size);
    memcpy(copy, text, size);
    return copy;
}
