// Session records. Their layout is in firmware/link/session_records.h, where control may read it:
// programs never include each other. Change it there.
#pragma once

#include "firmware/link/session_records.h"
