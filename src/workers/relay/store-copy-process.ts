import { backUpStore } from "../../store/backup.js";
import { reasonOf } from "../../store/store-error.js";
import type { CopyOutcome, CopyRequest } from "./store-copies.js";

/*
 * A process that copies the exchange's store for a standby, and ends with who has asked.
 */

process.on("disconnect", () => process.exit());
process.on("message", ({ dir, target }: CopyRequest) => {
  backUpStore(dir, target).then(
    () => tell({ type: "made" }),
    (error: unknown) => tell({ type: "failed", reason: reasonOf(error) }),
  );
});

function tell(outcome: CopyOutcome): void {
  process.send?.(outcome);
}
