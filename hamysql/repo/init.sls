# Package repositories that stay (pillar hamysql:repo:repositories). Those with `disable_after_install` are used and
# disabled again by hamysql.package.
{%- from "hamysql/map.jinja" import hamysql with context %}

{%- for name, repository in hamysql.repo.repositories.items() if not repository.disable_after_install %}

hamysql-repo-{{ name }}-managed:
  hamysql_repository.enabled:
    {%- for option, value in repository.options.items() %}
    - {{ option }}: {{ value | json }}
    {%- endfor %}
    - require_in:
      - hamysql_package: hamysql-package-installed
{%- else %}

hamysql-repo-none-to-add:
  test.nop: []
{%- endfor %}
