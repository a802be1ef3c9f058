// The C border of progress.rs: a bar of bytes done, on stderr, that shows nothing where stderr is no terminal.
#pragma once

#include <stdint.h>

#include "rust/sluice_text.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SluiceProgress SluiceProgress;

SluiceProgress* sluice_progress_new(SluiceTextSlice label);
void sluice_progress_update(const SluiceProgress* bar, uint64_t done, uint64_t total);
// Wipes the bar from the terminal.
void sluice_progress_free(SluiceProgress* bar);

#ifdef __cplusplus
}
#endif
