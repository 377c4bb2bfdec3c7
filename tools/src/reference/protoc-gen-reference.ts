/** A protoc plugin: one page of Markdown for each file of the public API, made from the protos and their comments. */
import { createEcmaScriptPlugin, runNodeJs } from "@bufbuild/protoplugin";
import { indexPage, pageNameOf, protoPage } from "./proto-page.ts";

const publicPackage = "daytonah.v1";

runNodeJs(
  createEcmaScriptPlugin({
    name: "protoc-gen-reference",
    version: "v1",
    generateTs: (schema) => {
      const files = schema.files.filter(({ proto }) => proto.package === publicPackage);
      for (const file of files) schema.generateFile(pageNameOf(file)).print(protoPage(file));
      schema.generateFile("README.md").print(indexPage(files));
    },
  }),
);
