import { readdirSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Node, type SourceFile, SyntaxKind } from "typescript/unstable/ast";
import {
  isArrowFunction,
  isCallExpression,
  isConstructorDeclaration,
  isExportDeclaration,
  isFunctionDeclaration,
  isFunctionExpression,
  isGetAccessorDeclaration,
  isIdentifier,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isMethodDeclaration,
  isNamedExports,
  isNamedImports,
  isSetAccessorDeclaration,
  isStringLiteral,
  isVariableStatement,
} from "typescript/unstable/ast/is";
import { API } from "typescript/unstable/sync";

/** Every name of a file: `import *`, `export *`, and imports whose names cannot be seen. */
export const EVERY_NAME = "*";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Paths are below the root. */
export interface Import {
  readonly from: string;
  readonly to: string;
  /** As the imported file calls them. */
  readonly names: readonly string[];
  readonly typeOnly: boolean;
}

export interface LongFunction {
  readonly name: string;
  readonly lines: number;
}

export interface SourceFacts {
  readonly file: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly exports: readonly string[];
  readonly functions: readonly LongFunction[];
}

/** The files below some folders of the project, by the end of their names. */
export function filesBelow(folders: readonly string[], ending: string): string[] {
  return folders.flatMap((folder) =>
    readdirSync(resolve(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(ending) && !name.includes("node_modules"))
      .map((name) => `${folder}/${name}`),
  );
}

export function linesOf(file: string): number {
  return readFileSync(resolve(ROOT, file), "utf8").trimEnd().split("\n").length;
}

/** What the compiler's own parser sees in the files of the projects that hold them. */
export function readSources(files: readonly string[]): SourceFacts[] {
  const api = new API({ cwd: ROOT });
  try {
    const programs = ["tsconfig.json", "web/tsconfig.json"].flatMap((project) =>
      api
        .updateSnapshot({ openProject: resolve(ROOT, project) })
        .getProjects()
        .map(({ program }) => program),
    );
    return files.map((file) => {
      for (const program of programs) {
        const source = program.getSourceFile(resolve(ROOT, file));
        if (source !== undefined) return factsOf(file, source);
      }
      throw new Error(`${file} belongs to no project`);
    });
  } finally {
    api.close();
  }
}

/** Where a path leads to: what is built comes from its source. */
export function resolvePath(from: string, path: string): string | undefined {
  if (path === "marketcast/client") return "src/client/node.ts";
  if (!path.startsWith(".")) return undefined;
  return relative(ROOT, resolve(ROOT, dirname(from), path))
    .replace(/^dist\//, "src/")
    .replace(/\.js$/, ".ts");
}

function factsOf(file: string, source: SourceFile): SourceFacts {
  const imports: Import[] = [];
  const functions: LongFunction[] = [];
  const visit = (node: Node): void => {
    imports.push(...importsOf(file, node));
    if (isFunction(node)) functions.push({ name: nameOf(node), lines: linesOfNode(source, node) });
    node.forEachChild(visit);
  };
  visit(source);
  const exports = source.statements.flatMap(exportedNames);
  return { file, lines: linesOf(file), imports, exports, functions };
}

function importsOf(from: string, node: Node): Import[] {
  const found = (path: Node | undefined, names: readonly string[], typeOnly: boolean): Import[] => {
    const to = path !== undefined && isStringLiteral(path) && resolvePath(from, path.text);
    return to ? [{ from, to, names, typeOnly }] : [];
  };
  if (isImportDeclaration(node)) {
    const { importClause: clause, moduleSpecifier } = node;
    if (clause === undefined) return found(moduleSpecifier, [], false);
    const bindings = clause.namedBindings;
    const elements = bindings && isNamedImports(bindings) ? [...bindings.elements] : undefined;
    const typeOnly =
      clause.phaseModifier === SyntaxKind.TypeKeyword ||
      (clause.name === undefined && (elements?.every((element) => element.isTypeOnly) ?? false));
    const names = elements?.map(({ propertyName, name }) => (propertyName ?? name).text);
    return found(moduleSpecifier, names ?? [EVERY_NAME], typeOnly);
  }
  if (isExportDeclaration(node)) {
    const clause = node.exportClause;
    const elements = clause && isNamedExports(clause) ? [...clause.elements] : undefined;
    const typeOnly = node.isTypeOnly || (elements?.every((element) => element.isTypeOnly) ?? false);
    const names = elements?.map(({ propertyName, name }) => (propertyName ?? name).text);
    return found(node.moduleSpecifier, names ?? [EVERY_NAME], typeOnly);
  }
  if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword) {
    return found(node.arguments[0], [EVERY_NAME], false);
  }
  if (isImportTypeNode(node) && isLiteralTypeNode(node.argument)) {
    return found(node.argument.literal, [EVERY_NAME], true);
  }
  return [];
}

/** What a statement exports of its own; what it passes on from another file is an import of that. */
function exportedNames(statement: Node): string[] {
  if (isExportDeclaration(statement)) {
    const clause = statement.exportClause;
    if (statement.moduleSpecifier !== undefined || !clause || !isNamedExports(clause)) return [];
    return [...clause.elements].map(({ name }) => name.text);
  }
  const { modifiers } = statement as Node & { readonly modifiers?: Iterable<Node> };
  if (![...(modifiers ?? [])].some(({ kind }) => kind === SyntaxKind.ExportKeyword)) return [];
  if (!isVariableStatement(statement)) return [nameOf(statement)];
  return [...statement.declarationList.declarations].map(nameOf);
}

function isFunction(node: Node): boolean {
  return [
    isFunctionDeclaration,
    isFunctionExpression,
    isArrowFunction,
    isMethodDeclaration,
    isConstructorDeclaration,
    isGetAccessorDeclaration,
    isSetAccessorDeclaration,
  ].some((is) => is(node));
}

function nameOf(node: Node): string {
  const { name } = node as Node & { readonly name?: Node };
  if (name === undefined) return isConstructorDeclaration(node) ? "constructor" : "(nameless)";
  return isIdentifier(name) ? name.text : name.getText();
}

function linesOfNode(source: SourceFile, node: Node): number {
  const lineOf = (at: number) => source.getLineAndCharacterOfPosition(at).line;
  return lineOf(node.end) - lineOf(node.getStart(source)) + 1;
}
