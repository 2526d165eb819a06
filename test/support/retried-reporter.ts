import type { Reporter, TestModule } from "vitest/node";

/** Lists, behind all else, the tests that passed only when they were tried again: each of them is a bug to find. */
export class RetriedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const flaky = modules.flatMap((module) =>
      [...module.children.allTests()]
        .filter((test) => test.diagnostic()?.flaky === true)
        .map((test) => `${module.relativeModuleId}: ${test.fullName}`),
    );
    if (flaky.length === 0) return;
    process.stdout.write(
      `\nPassed only when tried again:\n${flaky.map((one) => `  ${one}\n`).join("")}\n`,
    );
  }
}
