/** The wallet of a simulated trader, who is counted from 0. */
export function simulatedWallet(trader: number): string {
  return `sim-${trader + 1}`;
}

/** Whether a wallet is a simulated trader's, of now, earlier or later. */
export function isSimulatedWallet(wallet: string): boolean {
  return /^sim-[1-9][0-9]*$/.test(wallet);
}
